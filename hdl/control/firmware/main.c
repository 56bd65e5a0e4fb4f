/* Firmware of the control processor: runs a program step by step (docs/architecture.md, "Programs").
 *
 * The time between the end of a step and the commit of the next is lost to the grid. So all that
 * the next step needs is prepared while the step before it runs, and what can wait, waits until
 * after the commit.
 */

#include "registers.h"

#define READY (EVENT_DONE | EVENT_RUNNING)
#define TROUBLE (EVENT_LOADER_ERROR | EVENT_TIME_OUT | EVENT_BUS_ERROR | EVENT_STOP | \
                 EVENT_MEMORY_ERROR)

#define HEADER_WORDS 16u
#define RESERVED_WORD 8u
#define RECORD_WORDS 8u

/* Polls of busy DMA ports before they are given up, about ten cycles each. */
#define REST_POLLS 200000u

struct program {
    uint32_t steps;      /* number of them */
    uint32_t records;    /* byte address of their records */
    uint32_t log;        /* byte address of the log, 0 for none */
    uint32_t log_stride; /* words from one log record to the next */
};

/* What a step needs besides the registers that `prepare` writes. */
struct step {
    uint32_t commit;   /* mask of nodes */
    uint32_t time_out; /* cycles */
};

/* Whether the last end of a program left all nodes idle. */
static uint32_t at_rest;

static uint32_t fail(uint32_t code, uint32_t step, uint32_t info0, uint32_t info1)
{
    REG_ERROR_STEP = step;
    REG_ERROR_INFO0 = info0;
    REG_ERROR_INFO1 = info1;
    REG_ERROR = code;
    return code;
}

static uint32_t memory_failed(void)
{
    return REG_EVENTS & EVENT_MEMORY_ERROR;
}

/* Puts all nodes into their idle state; returns 0 if DMA ports do not come to rest. */
static uint32_t rest(void)
{
    uint32_t polls = REST_POLLS;

    REG_ABORT = 1;
    while ((REG_BUSY & REG_PORTS) || (REG_EVENTS & EVENT_LOADING))
        if (!--polls)
            return 0;
    REG_ABORT = 0;
    REG_CLEAR = 1;
    while (REG_EVENTS & EVENT_LOADING)
        ;
    REG_WAIT = 0;
    REG_COMMIT = REG_NODES;
    return 1;
}

/* Names the first reserved word of the header that is not zero. */
static __attribute__((noinline)) uint32_t bad_header(void)
{
    uint32_t index, word = 0;

    REG_MEMORY_ADDRESS = REG_PROGRAM + 4 * RESERVED_WORD;
    for (index = RESERVED_WORD; index < HEADER_WORDS; index++) {
        word = REG_MEMORY_DATA;
        if (word)
            break;
    }
    return fail(ERROR_BAD_HEADER, 0, index, word);
}

static uint32_t read_header(struct program *program)
{
    uint32_t magic, version, low, high, reserved = 0, index;

    REG_MEMORY_ADDRESS = REG_PROGRAM;
    magic = REG_MEMORY_DATA;
    version = REG_MEMORY_DATA;
    low = REG_MEMORY_DATA;
    high = REG_MEMORY_DATA;
    program->steps = REG_MEMORY_DATA;
    program->records = REG_MEMORY_DATA;
    program->log = REG_MEMORY_DATA;
    program->log_stride = REG_MEMORY_DATA;
    if (memory_failed())
        return fail(ERROR_MEMORY_ERROR, 0, REG_MEMORY_ADDRESS, 0);
    if (magic != PROGRAM_MAGIC)
        return fail(ERROR_BAD_MAGIC, 0, magic, 0);
    if (version != PROGRAM_FORMAT)
        return fail(ERROR_BAD_VERSION, 0, version, 0);
    if (low != REG_ID_LOW || high != REG_ID_HIGH)
        return fail(ERROR_BAD_FINGERPRINT, 0, low, high);
    if (!program->steps)
        return fail(ERROR_BAD_HEADER, 0, 4, program->steps);
    if (program->records & 3)
        return fail(ERROR_BAD_HEADER, 0, 5, program->records);
    if (program->log & 3)
        return fail(ERROR_BAD_HEADER, 0, 6, program->log);
    if (program->log && program->log_stride < PROGRAM_LOG_WORDS + REG_COUNTERS)
        return fail(ERROR_BAD_HEADER, 0, 7, program->log_stride);
    for (index = RESERVED_WORD; index < HEADER_WORDS; index++)
        reserved |= REG_MEMORY_DATA;
    return reserved ? bad_header() : 0;
}

/* Names the first bad word of a step record. */
static __attribute__((noinline)) uint32_t bad_record(uint32_t address, uint32_t number)
{
    uint32_t index, word = 0, bad;

    REG_MEMORY_ADDRESS = address;
    for (index = 0; index < RECORD_WORDS; index++) {
        word = bad = REG_MEMORY_DATA;
        switch (index) {
        case 0: bad = word & 3; break;
        case 1: bad = word >> 24; break;
        case 2:
        case 3: bad = word & ~REG_NODES; break;
        case 4: bad = 0; break;
        case 5: bad = word ^ number; break;
        }
        if (bad)
            break;
    }
    return fail(ERROR_BAD_RECORD, number, index, word);
}

/* Reads the record of a step, starts the loader on its packets, readies the rest for its commit. */
static uint32_t prepare(const struct program *program, uint32_t number, struct step *step)
{
    uint32_t address = program->records + number * (4 * RECORD_WORDS);
    uint32_t packets, words, commit, wait, time_out, bad;

    REG_MEMORY_ADDRESS = address;
    packets = REG_MEMORY_DATA;
    words = REG_MEMORY_DATA;
    commit = REG_MEMORY_DATA;
    wait = REG_MEMORY_DATA;
    time_out = REG_MEMORY_DATA;
    bad = REG_MEMORY_DATA ^ number;
    bad |= REG_MEMORY_DATA;
    bad |= REG_MEMORY_DATA;
    if (memory_failed())
        return fail(ERROR_MEMORY_ERROR, number, REG_MEMORY_ADDRESS, 0);
    if (bad | (packets & 3) | (words >> 24) | ((commit | wait) & ~REG_NODES))
        return bad_record(address, number);
    REG_LOADER_ADDRESS = packets;
    REG_LOADER_WORDS = words;
    step->commit = commit;
    step->time_out = time_out;
    REG_WAIT = wait;
    REG_TIME_OUT = time_out;
    return 0;
}

/* Says what went wrong while step `running` ran and step `loading` was loaded. */
static uint32_t trouble(uint32_t events, uint32_t running, uint32_t loading, uint32_t time_out)
{
    if (events & EVENT_STOP)
        return fail(ERROR_STOPPED, running, 0, 0);
    if (events & EVENT_BUS_ERROR)
        return fail(ERROR_BUS_ERROR, running, REG_BUS_ERROR, 0);
    if (events & EVENT_MEMORY_ERROR)
        return fail(ERROR_MEMORY_ERROR, running, REG_MEMORY_ADDRESS, 0);
    if (events & EVENT_LOADER_ERROR)
        return fail(REG_LOADER_ERROR, loading, REG_LOADER_PACKET, REG_LOADER_WORD);
    return fail(ERROR_TIME_OUT, running, REG_WAITING, time_out);
}

/* Waits until the running step has ended and the loader too; returns the events then. */
static inline uint32_t wait_ready(void)
{
    uint32_t events;

    do {
        events = REG_EVENTS;
    } while (events != READY && !(events & TROUBLE));
    return events;
}

/* Writes the log record of a step from the snapshot. */
static void write_log(const struct program *program, uint32_t number)
{
    uint32_t counters = REG_COUNTERS;

    REG_MEMORY_ADDRESS = program->log + number * program->log_stride * 4;
    REG_MEMORY_DATA = number;
    REG_MEMORY_DATA = REG_COMMIT_CYCLE;
    REG_MEMORY_DATA = REG_END_CYCLE;
    REG_COUNTER = 0;
    while (counters--)
        REG_MEMORY_DATA = REG_COUNTER;
}

static uint32_t run(void)
{
    struct program program;
    struct step step;
    uint32_t number, events, running = 0, time_out = 0, error;

    error = read_header(&program);
    if (error)
        return error;
    error = prepare(&program, 0, &step);
    if (error)
        return error;
    for (number = 0; number < program.steps; number++) {
        events = wait_ready();
        if (events & TROUBLE)
            return trouble(events, running, number, time_out);
        REG_COMMIT = step.commit;
        REG_STEP = number;
        running = number;
        time_out = step.time_out;
        if (number + 1 < program.steps) {
            error = prepare(&program, number + 1, &step);
            if (error)
                return error;
        }
        /* The commit took the snapshot of the step before. */
        if (program.log && number)
            write_log(&program, number - 1);
    }
    events = wait_ready();
    if (events & TROUBLE)
        return trouble(events, running, running, time_out);
    REG_SNAPSHOT = 1;
    if (program.log)
        write_log(&program, running);
    while (!REG_MEMORY_IDLE && !memory_failed())
        ;
    if (memory_failed())
        return fail(ERROR_MEMORY_ERROR, running, 0, 0);
    return 0;
}

/* An exception of the processor itself. */
void fault(uint32_t cause, uint32_t address)
{
    fail(ERROR_FIRMWARE_FAULT, 0, cause, address);
    REG_FINISH = STATUS_ERROR;
}

void main(void)
{
    uint32_t error;

    at_rest = rest();
    for (;;) {
        while (!(REG_EVENTS & EVENT_RUNNING))
            ;
        error = 0;
        if (!at_rest)
            at_rest = rest();
        if (at_rest) {
            error = run();
            at_rest = rest();
        }
        if (!at_rest && !error)
            error = fail(ERROR_ABORT_FAILED, 0, REG_BUSY, 0);
        REG_FINISH = error ? STATUS_ERROR : STATUS_DONE;
    }
}
