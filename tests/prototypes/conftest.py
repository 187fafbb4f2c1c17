"""What tests of prototypes share: a folder of pictures, a backbone on disk, and a usable and a refused network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prototypes import backbones
from seewhy.prototypes.training import train_prototypes
from seewhy.train.data import open_pictures
from seewhy.train.parts import open_parts


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Prototypes on a tiny residual network."""
    folder = backbones.picture_folder(tmp_path_factory.mktemp("tiny") / "pictures")
    classifier = backbones.trained_classifier(folder)
    parts = open_parts(folder, (0.7, 0.3))
    training, validation = (
        open_pictures(part, backbones.CLASSES, classifier.preprocessing)[0] for part in (parts.train, parts.validation)
    )
    return train_prototypes(classifier, training, validation, backbones.QUICK).model


@pytest.fixture(scope="session")
def refused_model(tiny_model):
    """The same, said to have lost too much."""
    return replace(tiny_model, diagnosis=replace(tiny_model.diagnosis, confusion=((5, 0), (5, 0))))
