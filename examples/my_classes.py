# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # My classes
#
# A folder of pictures for each class is all that a classifier of one's own takes. These are cut-outs of three
# photos that come with scikit-image, so that this runs anywhere; put your own folder in their place.

# %%
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image
from skimage import data

import seewhy
from seewhy.train.recipe import find_recipe

folder = Path(mkdtemp())
random = np.random.default_rng(0)
for name, photo in {"cat": data.chelsea(), "coffee": data.coffee(), "rocket": data.rocket()}.items():
    (folder / "photos" / name).mkdir(parents=True)
    for number in range(20):
        top, left = (int(random.integers(0, length - 200)) for length in photo.shape[:2])
        Image.fromarray(photo[top : top + 200, left : left + 200]).save(folder / f"photos/{name}/{number:02}.png")

# %% [markdown]
# ## Train
#
# Only the last layer here, which takes seconds; leave `epochs=0` out, and the whole network learns, too.

# %%
recipe = find_recipe("default", epochs=0)
trained = seewhy.train(folder / "photos", out=folder / "model", recipe=recipe)
judged = seewhy.evaluate(f"file:{folder / 'model'}", folder / "photos")
print(judged.to_dict()["accuracy"])

# %% [markdown]
# The interval beside the accuracy is wide: few pictures were kept aside, and all are cut-outs of one photo a class.
# Of a rocket in other photos this says nothing.
#
# ## Twins
#
# “It took this for a cat because of those.” The pictures most like it to the network, among those that it learned
# from.

# %%
from seewhy.cases.queries import open_cases
from seewhy.cases.twins import find_twins
from seewhy.verbs.cases import build_cases

classifier = seewhy.load(f"file:{folder / 'model'}")
build_cases(folder / "photos", classifier, folder / "cases")
twins = find_twins(open_cases(folder / "cases", classifier), seewhy.open_image("sample:cat"))
[(twin.case.path, round(twin.case.similarity, 2)) for twin in twins.twins]

# %% [markdown]
# ## Where it looks

# %%
seewhy.explain(classifier, "sample:cat", ["grad-cam", "lime"], samples=200)
