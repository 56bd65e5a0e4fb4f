"""Seeded damage to ONNX files: to their bytes and to the fields of their messages."""

import struct

import onnx
from google.protobuf.descriptor import FieldDescriptor

__all__ = ["mutate"]

_INTEGERS = (-1, 0, 1, 2, 3, 5, 7, -2, 64, 255, 32767, 32768, 65536, 1 << 20, (1 << 31) - 1,
             1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, 3e38, float("nan"), float("inf"),
           float("-inf"), 1e-45, 2.5, -7.25)
_STRINGS = ("", "x", "y", " ", "\n\n\n", "no such name", "NOTSET", "SAME_UPPER", "reflect",
            "linear", "a" * 300, "ü", "{}", "%s", "[red]", "\x00", "x.1")
_LIMITS = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_ENUM: 31}

#: What decides most of a tensor is in few fields, what decides little in many.
_RARE = ("raw_data", "doc_string", "producer_name", "producer_version", "domain")


def mutate(proto, rng):
    """Return the bytes of a model with one to three faults.

    Parameters
    ----------
    proto : onnx.ModelProto
        A valid model; it stays as it is.
    rng : random.Random
        Decides everything.
    """
    if rng.random() < 0.3:
        content = proto.SerializeToString(deterministic=True)
        for _ in range(rng.choice((1, 1, 2, 3))):
            content = _bytes(content, rng)
        return content
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choices((_field, _list, _rewire, _weights, _external, _attribute),
                    (8, 4, 3, 2, 1, 4))[0](changed, rng)
    content = changed.SerializeToString(deterministic=True)
    return _not_utf8(changed, content, rng) if rng.random() < 0.05 else content


def _bytes(content, rng):
    place = rng.randrange(len(content) + 1)
    if rng.random() < 0.7:
        # Most of a file is weights, at its end or in it; what describes them is more telling.
        place = min(place, rng.randrange(400))
    match rng.randrange(5):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + rng.randbytes(rng.randint(1, 9)) + content[place:]
        case 2:
            start = rng.randrange(len(content) + 1)
            part = content[start:start + rng.randint(1, 60)]
            return content[:place] + part + content[place + rng.choice((0, len(part))):]
        case 3:
            return content[:place] + content[place + rng.randint(1, 30):]
        case _:
            changed = bytearray(content or b"\0")
            for _ in range(rng.choice((1, 1, 2, 8))):
                changed[min(place, len(changed) - 1)] ^= 1 << rng.randrange(8)
                place = rng.randrange(len(changed))
            return bytes(changed)


def _repeated(message, field):
    value = getattr(message, field.name)
    return value if hasattr(value, "__len__") and not isinstance(value, (str, bytes)) else None


def _messages(message):
    """Yield a message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for part in (value if _repeated(message, field) is not None else [value]):
                yield from _messages(part)


def _value(field, old, rng):
    """Return a value for a field of numbers, text or bytes."""
    kind = field.cpp_type
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.choice((b"", old[:-1], old + b"\0", old * 2, b"\xff\xfe", rng.randbytes(8)))
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return rng.choice((*_STRINGS, old + "_", old[:-1]))
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return rng.choice((*_FLOATS, -old))
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values])
    limit = 1 << _LIMITS.get(kind, 63)
    choices = (*_INTEGERS, old + 1, old - 1, -old, old * 2)
    return rng.choice([value for value in choices if -limit <= value < limit])


def _scalars(proto):
    return [(message, field) for message in _messages(proto) for field, _ in message.ListFields()
            if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE]


def _field(proto, rng):
    """Give a number or a string another value."""
    message, field = rng.choice(_scalars(proto))
    if field.name in _RARE and rng.random() < 0.8:
        return
    items = _repeated(message, field)
    if items is None:
        setattr(message, field.name, _value(field, getattr(message, field.name), rng))
    elif items:
        index = rng.randrange(len(items))
        items[index] = _value(field, items[index], rng)


def _list(proto, rng):
    """Take out, double or move one item of a list: dimensions, nodes, inputs, initialisers."""
    lists = [(message, field) for message in _messages(proto) for field, _ in message.ListFields()
             if _repeated(message, field) is not None]
    message, field = rng.choice(lists)
    items = list(getattr(message, field.name))
    chosen = rng.randrange(len(items))
    match rng.randrange(4):
        case 0:
            del items[chosen]
        case 1:
            items.insert(rng.randrange(len(items) + 1), items[chosen])
        case 2:
            items.insert(rng.randrange(len(items)), items.pop(chosen))
        case 3:
            items = [] if rng.random() < 0.5 else items[:chosen]
    copies = type(message)()
    getattr(copies, field.name).extend(items)
    message.ClearField(field.name)
    getattr(message, field.name).extend(getattr(copies, field.name))


def _rewire(proto, rng):
    """Give a node an input or an output of any name in the graph: cycles, too."""
    graph = proto.graph
    names = [name for node in graph.node for name in (*node.input, *node.output)]
    names += [item.name for item in (*graph.initializer, *graph.input, *graph.output)]
    if not graph.node or not names:
        return
    node = rng.choice(graph.node)
    ends = rng.choice((node.input, node.input, node.output))
    if ends and rng.random() < 0.8:
        ends[rng.randrange(len(ends))] = rng.choice(names)
    else:
        ends.append(rng.choice(names))


def _weights(proto, rng):
    """Put a strange number into the data of an initialiser."""
    if not proto.graph.initializer:
        return
    tensor = rng.choice(proto.graph.initializer)
    integers = tensor.data_type == onnx.TensorProto.INT64
    item = struct.pack("<q", rng.choice(_INTEGERS)) if integers else \
        struct.pack("<f", rng.choice(_FLOATS))
    count = len(tensor.raw_data) // len(item)
    if count:
        first = rng.randrange(count) * len(item)
        data = tensor.raw_data
        tensor.raw_data = data[:first] + item + data[first + len(item):]


def _external(proto, rng):
    """Say that an initialiser's data are in another file."""
    if not proto.graph.initializer:
        return
    tensor = rng.choice(proto.graph.initializer)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, values in (("location", ("", "weights.bin", "/etc/passwd", "../x", ".", "a\0b",
                                      "/dev/zero", "x" * 5000)),
                        ("offset", ("0", "-1", "x", str(1 << 62))),
                        ("length", ("0", "-1", "8", str(1 << 62)))):
        if rng.random() < 0.7:
            tensor.external_data.add(key=key, value=rng.choice(values))


def _attribute(proto, rng):
    """Change an attribute's type, or all of its values, or give a node one of another's."""
    nodes = [node for node in proto.graph.node if node.attribute]
    if not nodes:
        return
    attribute = rng.choice(rng.choice(nodes).attribute)
    match rng.randrange(4):
        case 0:
            attribute.type = rng.choice(onnx.AttributeProto.AttributeType.values())
        case 1:
            rng.choice(proto.graph.node).attribute.append(attribute)
        case 2:
            values = [rng.choice(_INTEGERS) for _ in range(rng.choice((0, 1, 2, 4, 40)))]
            if attribute.type == onnx.AttributeProto.INTS:
                del attribute.ints[:]
                attribute.ints.extend(values)
            else:
                attribute.i, attribute.f = rng.choice(_INTEGERS), rng.choice(_FLOATS)
        case 3:
            attribute.s = rng.choice((b"", b"\xff\xfe", b"VALID", b"nearest", b"bilinear"))


def _not_utf8(proto, content, rng):
    """Return a file in which a name is not text."""
    names = [node.name for node in proto.graph.node if node.name]
    if not names:
        return content
    name = rng.choice(names).encode()
    return content.replace(name, b"\xff" * len(name), rng.choice((1, 99)))
