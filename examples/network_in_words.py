# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # The network in words
#
# What does each layer find in a photo, and what is lost without it? Each card below is a group of feature maps that
# respond in the same places. The group is taken out of its layer, and the rest of the network runs again.

# %%
from pathlib import Path
from tempfile import mkdtemp

import seewhy
from seewhy.verbs.network import explain_network

classifier = seewhy.load()
drawn = explain_network(classifier, "sample:coffee", layers=["blocks.10", "blocks.13", "head"])
drawn

# %% [markdown]
# ## Words
#
# The network has none; people have. In Deep Reveal (`seewhy app`, the page *Play*) they see what a group of maps
# marks, guess the class, and say what gave it away. Here players are simulated, and their words mean nothing; they
# show the way.

# %%
from seewhy.network.labels import lexicon
from seewhy.people.simulate import simulate
from seewhy.people.store import open_store
from seewhy.verbs.people import make_rounds

store_file = Path(mkdtemp()) / "people.sqlite"
photos = [seewhy.images.samples()[name] for name in ("cat", "coffee")]
with open_store(f"sqlite:///{store_file}") as store:
    made = make_rounds(classifier, photos, store, layers=["blocks.13", "head"], simulated=True)
    given = simulate(store, players=6)
    words = lexicon(store, classifier, simulated=True)
print(f"{sum(each.value.rounds for each in made)} rounds, {given} answers")
[label.name for label in words.vocabulary.labels]
