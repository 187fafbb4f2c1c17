"""Maps that know nothing of the network, by their short names."""

from __future__ import annotations

from seewhy.methods.controls import CentredGaussian, EmptyMap, RandomMap, SobelEdges

CONTROLS = {"random": RandomMap, "gaussian": CentredGaussian, "sobel": SobelEdges, "empty": EmptyMap}
