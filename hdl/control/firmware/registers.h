/* Made by hdl.control.firmware.build from hdl/control/cpu_registers.py. */
#ifndef REGISTERS_H
#define REGISTERS_H
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* r: what has happened, see the EVENT masks */
#define REG_EVENTS REGISTER(0x10000000u)
/* w: mask of nodes: commit them; starts the clock of the step, and a snapshot */
#define REG_COMMIT REGISTER(0x10000004u)
/* w: nodes that the next commit's step waits for */
#define REG_WAIT REGISTER(0x10000008u)
/* w: cycles the next commit's step may take */
#define REG_TIME_OUT REGISTER(0x1000000cu)
/* r: nodes that the running step still waits for */
#define REG_WAITING REGISTER(0x10000010u)
/* r: busy nodes */
#define REG_BUSY REGISTER(0x10000014u)
/* r: DMA ports that had a bus error since the start of the program */
#define REG_BUS_ERROR REGISTER(0x10000018u)
/* w: byte address of the packets of a step */
#define REG_LOADER_ADDRESS REGISTER(0x1000001cu)
/* w: words of these packets; starts the loader */
#define REG_LOADER_WORDS REGISTER(0x10000020u)
/* r: error code of the loader */
#define REG_LOADER_ERROR REGISTER(0x10000024u)
/* r: packet that failed */
#define REG_LOADER_PACKET REGISTER(0x10000028u)
/* r: word of that packet that failed */
#define REG_LOADER_WORD REGISTER(0x1000002cu)
/* w: any value: the loader sets all shadow registers to 0 */
#define REG_CLEAR REGISTER(0x10000030u)
/* w: bit 0: hold the grid in reset, end all transfers, stop the loader */
#define REG_ABORT REGISTER(0x10000034u)
/* w: any value: copy counters and times of the running step */
#define REG_SNAPSHOT REGISTER(0x10000038u)
/* r: of the snapshot: cycle of the last commit */
#define REG_COMMIT_CYCLE REGISTER(0x1000003cu)
/* r: of the snapshot: cycle in which that step ended */
#define REG_END_CYCLE REGISTER(0x10000040u)
/* rw: write: index; read: that counter of the snapshot, then the index is raised */
#define REG_COUNTER REGISTER(0x10000044u)
/* rw: byte address in external memory, a multiple of 4 */
#define REG_MEMORY_ADDRESS REGISTER(0x10000048u)
/* rw: word at that address, which then is raised by 4; writes are posted */
#define REG_MEMORY_DATA REGISTER(0x1000004cu)
/* r: 1 when memory has answered all writes */
#define REG_MEMORY_IDLE REGISTER(0x10000050u)
/* r: byte address of the program, from the host */
#define REG_PROGRAM REGISTER(0x10000054u)
/* r: fingerprint of the target, low word */
#define REG_ID_LOW REGISTER(0x10000058u)
/* r: fingerprint of the target, high word */
#define REG_ID_HIGH REGISTER(0x1000005cu)
/* r: mask of all nodes */
#define REG_NODES REGISTER(0x10000060u)
/* r: mask of the nodes that are DMA ports */
#define REG_PORTS REGISTER(0x10000064u)
/* r: number of counters */
#define REG_COUNTERS REGISTER(0x10000068u)
/* w: for the host: step that runs */
#define REG_STEP REGISTER(0x1000006cu)
/* w: for the host: error code */
#define REG_ERROR REGISTER(0x10000070u)
/* w: for the host: step that the error names */
#define REG_ERROR_STEP REGISTER(0x10000074u)
/* w: for the host: more about the error */
#define REG_ERROR_INFO0 REGISTER(0x10000078u)
/* w: for the host: more about the error */
#define REG_ERROR_INFO1 REGISTER(0x1000007cu)
/* w: status code: the program has ended, the host may start the next */
#define REG_FINISH REGISTER(0x10000080u)

/* Bits of EVENTS */
#define EVENT_DONE 0x01u
#define EVENT_LOADING 0x02u
#define EVENT_LOADER_ERROR 0x04u
#define EVENT_TIME_OUT 0x08u
#define EVENT_BUS_ERROR 0x10u
#define EVENT_STOP 0x20u
#define EVENT_MEMORY_ERROR 0x40u
#define EVENT_RUNNING 0x80u

/* Values of FINISH */
#define STATUS_IDLE 0u
#define STATUS_RUNNING 1u
#define STATUS_DONE 2u
#define STATUS_ERROR 3u

/* Values of ERROR */
#define ERROR_NONE 0u
#define ERROR_BAD_MAGIC 1u
#define ERROR_BAD_VERSION 2u
#define ERROR_BAD_FINGERPRINT 3u
#define ERROR_BAD_HEADER 4u
#define ERROR_BAD_RECORD 5u
#define ERROR_TIME_OUT 6u
#define ERROR_BUS_ERROR 7u
#define ERROR_STOPPED 8u
#define ERROR_MEMORY_ERROR 9u
#define ERROR_ABORT_FAILED 10u
#define ERROR_FIRMWARE_FAULT 11u
#define ERROR_LOADER_LENGTH 16u
#define ERROR_LOADER_CRC 17u
#define ERROR_LOADER_SEQUENCE 18u
#define ERROR_LOADER_NODE 19u
#define ERROR_LOADER_UNIT 20u
#define ERROR_LOADER_OFFSET 21u
#define ERROR_LOADER_VALUE 22u
#define ERROR_LOADER_MEMORY 23u

/* Programs */
#define PROGRAM_MAGIC 0x574c464eu
#define PROGRAM_FORMAT 1u
#define PROGRAM_LOG_WORDS 3u

#endif
