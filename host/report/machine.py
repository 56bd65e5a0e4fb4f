"""The machine as pictures: its parts over time, circuits on the grid, memory over time."""

import networkx as nx
import numpy as np

from sim.verify.circuits import step_circuit

from . import svg

__all__ = ["activity", "circuit_picture", "memory_picture", "timeline_picture"]

_LEFT, _ROW, _WIDTH, _HEIGHT = 150, 18, 900, 320
_TILE, _SPACE = 96, 44
_DIRECTIONS = {"n": (0, -1), "e": (1, 0), "s": (0, 1), "w": (-1, 0)}


def activity(target, active, mask):
    """Return (part of the machine, cycles for which a step needs it) of all parts that work."""
    found = []
    for tile in range(target.tiles):
        if mask >> tile & 1 and tile in target.convolvers:
            unit = active[tile]["convolver"]
            if unit["enable"]:
                found.append((f"tile {tile} convolver", unit["passes"] * unit["entries"]
                              * unit["interleave"] * unit["frame_width"] * unit["frame_height"]))
    for port in range(target.ports):
        node = target.tiles + port
        if not mask >> node & 1:
            continue
        for name in ("read", "write", "weights"):
            unit = active[node].get(name)
            if unit and unit["enable"]:
                length = unit["length"] if name == "weights" else \
                    max(1, unit["entries"]) * int(np.prod(unit["count"], dtype=np.int64))
                found.append((f"port {port} {name}", length * unit.get("repeat", 1)))
    return found


def timeline_picture(target, prepared, steps, starts):
    """Return a bar for each part of the machine and step: how long the step needs it."""
    work = [activity(target, active, step.commit) for step, active in prepared.steps]
    names = sorted({name for parts in work for name, _ in parts},
                   key=lambda name: (name.split()[0] != "tile", int(name.split()[1]), name))
    scale = _WIDTH / starts[-1]
    parts = [svg.text(_LEFT - 6, _ROW * (row + 1) - 5, name, "label", "end")
             for row, name in enumerate(names)]
    height = _ROW * len(names)
    for index, step in enumerate(steps):
        x, width = _LEFT + scale * starts[index], scale * (starts[index + 1] - starts[index])
        parts.append(svg.rectangle(x, 0, width, height, f"step{index % 2}", step["layer"]))
        for name, cycles in work[index]:
            share = min(cycles, step["predicted_cycles"])
            parts.append(svg.rectangle(
                x, _ROW * names.index(name) + 3, max(0.4, scale * share), _ROW - 6,
                name.split()[-1], f"{name}: {cycles:,} of {step['predicted_cycles']:,} cycles, "
                f"step {index}, {step['layer']}"))
    for tenth in range(0, 11, 2):
        cycle = starts[-1] * tenth / 10
        parts.append(svg.text(_LEFT + scale * cycle, height + 14, f"{cycle:,.0f}", "label",
                              "middle"))
    return svg.picture(_LEFT + _WIDTH + 50, height + 22, parts, "timeline of tiles and ports")


def circuit_picture(target, active, mask):
    """Return the grid with the circuit of a step."""
    circuit = step_circuit(target, active, mask)

    def corner(tile):
        row, column = divmod(tile, target.columns)
        return (_SPACE + column * (_TILE + _SPACE), _SPACE + row * (_TILE + _SPACE))

    used, parts = {}, []
    # In the order in which samples pass them.
    order = nx.lexicographical_topological_sort(circuit, key=str) \
        if nx.is_directed_acyclic_graph(circuit) else sorted(circuit.nodes)
    for tile, unit, *_ in order:
        if unit != "hop":
            used.setdefault(tile, []).append(unit)
    for tile in range(target.tiles):
        x, y = corner(tile)
        kind = "busy" if tile in used else "tile"
        parts.append(svg.rectangle(x, y, _TILE, _TILE, kind, ", ".join(used.get(tile, []))))
        port = target.port_of_tile(tile)
        what = " conv" * (tile in target.convolvers) + f" port {port}" * (port is not None)
        parts.append(svg.text(x + 4, y + 12, f"{tile}{what}", "label"))
        parts += [svg.text(x + 10, y + 26 + 12 * line, unit, "unit")
                  for line, unit in enumerate(used.get(tile, []))]
    for tile, unit, *direction in sorted(circuit.nodes):
        if unit == "hop":
            x, y = corner(tile)
            across, down = _DIRECTIONS[direction[0]]
            edge = (x + _TILE * (1 + across) / 2, y + _TILE * (1 + down) / 2)
            end = (edge[0] + _SPACE * across, edge[1] + _SPACE * down)
            parts.append(svg.arrow([edge, end], "hop", f"tile {tile} to the {direction[0]}"))
    width = _SPACE + target.columns * (_TILE + _SPACE)
    return svg.picture(width, _SPACE + target.rows * (_TILE + _SPACE), parts,
                       "circuit on the grid")


def memory_picture(program, starts):
    """Return the memory blocks over time: from when to when each is needed."""
    manifest, blocks = program.manifest, program.manifest["certificates"]["memory"]
    log = manifest["log"]
    fixed = [("program", 0, len(program.image)),
             ("log", log["address"], 4 * log["words"] * len(manifest["steps"]))]
    top = max([block["address"] + block["bytes"] for block in blocks]
              + [address + size for _, address, size in fixed])
    across, down = _WIDTH / starts[-1], _HEIGHT / top
    parts = [svg.rectangle(_LEFT, down * address, _WIDTH, down * size, "fixed",
                           f"{name}: {size:,} bytes at {address:#x}")
             for name, address, size in fixed]
    for block in blocks:
        first = 0 if block["first"] < 0 else starts[block["first"]]
        last = starts[min(block["last"] + 1, len(starts) - 1)]
        parts.append(svg.rectangle(
            _LEFT + across * first, down * block["address"], max(1, across * (last - first)),
            max(0.6, down * block["bytes"]), "block",
            f"{block['tensor']}: {block['bytes']:,} bytes at {block['address']:#x}, steps "
            f"{max(0, block['first'])} to {min(block['last'], len(starts) - 2)}"))
    for part in range(5):
        parts.append(svg.text(_LEFT - 6, _HEIGHT * part / 4 + 10, f"{round(top * part / 4):,}",
                              "label", "end"))
    return svg.picture(_LEFT + _WIDTH + 10, _HEIGHT + 16, parts, "memory over time, bytes")
