# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # Which explanation to believe
#
# Maps that look convincing are easily made. So each is tested: parts of the photo are hidden in the order of the
# map, and the network is asked again. Beside it stand maps that know nothing of the network.

# %%
import polars as pl

import seewhy

classifier = seewhy.load()
photos = ["sample:cat", "sample:coffee"]
methods = ["grad-cam", "layer-cam", "eigen-cam"]
compared = seewhy.compare(classifier, photos, methods, ["insertion-minus-deletion"], cells=7)  # coarse, and so quick
print(compared.to_dict()["verdict"])

# %% [markdown]
# The table has a row for each method; two photos are few, and the verdict says so.

# %%
pl.DataFrame(compared.rows())

# %% [markdown]
# ## One map alone
#
# Every explanation carries what it checked about itself.

# %%
found = seewhy.explain(classifier, "sample:cat", "integrated-gradients")
print(found.checks)
found
