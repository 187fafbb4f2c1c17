"""What each kind of result cannot tell: one list for its own report and for the dossier that gathers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LIMITS: Mapping[str, Sequence[str]] = {
    "audit": (
        "A finding moves the class. Whether that is wrong, you decide: a part of the object may be found, too.",
        "Both tests change photos in a way that the network may not have seen; the controls change them alike.",
        "p-values are corrected for all suspects of this audit (Holm), and come from photos that were not searched.",
        "A label that is likely wrong is one that the network contradicts: somebody has to look at the photo.",
    ),
    "evaluation": (
        "Intervals are of chance in drawing such photos. Photos of another kind, place or time may give other figures.",
        "A class of few photos has a wide interval, whatever its figure is.",
    ),
    "study": (
        "A method that scores best is best by these metrics, for this network, on these photos.",
        "Metrics that ask the network change photos in a way that it may not have seen.",
    ),
    "repair": (
        "The network may lean on what no audit found. Audit the repaired model again on other photos.",
        "The layers before a repaired last layer still see the finding: another one on top may lean on it again.",
        "Groups of few photos have wide intervals.",
    ),
    # Of two models that were held against each other.
    "diff": (
        "Maps are of one method. Where it is wrong about one of the models, so is this; another may see other changes.",
        "A changed reason is no worse one. Whether it is, an audit of both tells, or somebody who looks.",
        "Photos of two answers are listed, not compared: their reasons are about different classes.",
    ),
    "dossier": (
        "It holds what was done and found, not whether that is enough: that is for whoever answers for the model.",
        "What is not in a result below its folder is not in it.",
        "No finding means none that an audit of the power that is told would have found.",
        "A seal shows accidents and careless changes: whoever can write the files can write another one.",
        "To know that nobody did, note the seal in another place, and give it to seewhy verify.",
    ),
}
