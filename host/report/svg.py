"""Small pieces of SVG, escaped."""

from markupsafe import Markup, escape

__all__ = ["arrow", "picture", "rectangle", "text"]

_ARROW = ('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
          'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>')


def picture(width, height, parts, label):
    """Return an SVG element of some parts; `label` says what it shows."""
    return Markup(f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} '
                  f'{height:g}" width="{width:g}" height="{height:g}">{_ARROW}'
                  + "".join(parts) + "</svg>")


def rectangle(x, y, width, height, kind, title=""):
    """Return a rectangle of a class of the page's style, with a title that shows on hovering."""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'class="{escape(kind)}"><title>{escape(title)}</title></rect>')


def text(x, y, content, kind="", anchor="start"):
    """Return a line of text."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{escape(kind)}" text-anchor="{anchor}">'
            f"{escape(content)}</text>")


def arrow(points, kind="", title=""):
    """Return a line through points with an arrow at its end."""
    path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f'<path d="{path}" class="arrow {escape(kind)}" marker-end="url(#arrow)">'
            f"<title>{escape(title)}</title></path>")
