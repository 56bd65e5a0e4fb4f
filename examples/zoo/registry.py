"""The networks of the zoo by name."""

from examples.zoo import (
    alexnet,
    binding,
    c3d,
    characters,
    connectomics,
    deepmask,
    drawing,
    faces,
    googlenet,
    lagr,
    lenet5,
    overfeat,
    pose,
    resnet,
    scene,
    siamese,
    speech,
    temporal,
    tumour,
    vgg,
)

__all__ = ["NETWORKS"]

#: In the order of the slides.
NETWORKS = {module.ENTRY.name: module.ENTRY for module in (
    lenet5, characters, temporal, faces, scene, lagr, alexnet, overfeat, vgg, googlenet, resnet,
    siamese, pose, c3d, deepmask, drawing, speech, connectomics, tumour, binding)}
