"""A project for Xilinx ISE: what `neuflow build` writes where it cannot route itself."""

from pathlib import Path

from amaranth.hdl import Shape
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hdl.boards.ml605 import CONTROLLER, controller_ports
from hdl.top import top_members

from .trellis import DESIGN

__all__ = ["project_files"]

_TEMPLATES = Path(__file__).with_name("ise")

#: Files of Amaranth's plan that the project keeps; the others repeat what `build.sh` does.
_KEPT = (".v", ".prj", ".xst", ".ucf")


def project_files(board, target, plan):
    """Return the files of a project, as a dict of name to text.

    Parameters
    ----------
    board : Board
        A board whose toolchain is ``ise``.
    target : Target
        The machine.
    plan : amaranth.build.run.BuildPlan
        The platform's plan, the machine's Verilog among its files.
    """
    link = board.link(target)
    id_width = Shape.cast(top_members(target, link)["m_axi_arid"].shape).width
    ports = controller_ports(target.data_width, id_width)
    files = {name: text for name, text in plan.files.items()
             if name.endswith(_KEPT) and not name.endswith(".debug.v")}
    sources = sorted([*(name for name in files if name.endswith(".v")), f"{CONTROLLER}.v"])
    files[f"{DESIGN}.prj"] = "".join(f'verilog work "{name}"\n' for name in sources)
    platform = board.platform()
    values = {
        "board": board.name, "title": board.title, "target": target.name, "design": DESIGN,
        "controller": CONTROLLER, "ports": ports, "sources": sources, "id_width": id_width,
        "baud": f"{target.clock_hz / link.divisor:,.0f}", "data_width": target.data_width,
        "address_width": {name: bits for name, _, bits in ports}["s_axi_araddr"],
        "device": platform.device, "package": platform.package, "speed": platform.speed,
        "part": f"{platform.device}-{platform.speed}{platform.package}"}
    templates = Environment(loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined,
                            keep_trailing_newline=True, autoescape=False)
    for name in templates.list_templates():
        files[name.removesuffix(".j2")] = templates.get_template(name).render(values)
    return files
