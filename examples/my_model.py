# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # My model
#
# Any PyTorch network can be explained as it is. Here a small one learns handwritten digits from scikit-learn: grey
# pictures of 8 × 8 pixels, and nothing of ImageNet.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn

import seewhy

digits = load_digits()
x = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
y = torch.tensor(digits.target)
torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 16, 10),
)  # fmt: skip
optimiser = torch.optim.Adam(network.parameters(), 1e-2)
for _ in range(60):
    loss = nn.functional.cross_entropy(network(x[:1200]), y[:1200])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
right = (network(x[1200:]).argmax(1) == y[1200:]).float().mean().item()
print(f"{right:.1%} right of {len(x) - 1200} digits that it has not seen")

# %% [markdown]
# ## Wrap it
#
# What the network wants to be given, and what its classes are called. Nothing of the network is changed.

# %%
preprocessing = seewhy.Preprocessing(size=(8, 8), mean=(0.0,), std=(1.0,))
names = [f"a {each}" for each in range(10)]
classifier = seewhy.Classifier.from_module(network.eval(), preprocessing, names, "my digits")
classifier.predict(digits.images[1201] / 16, top=3)

# %% [markdown]
# ## Explain it
#
# `layer` may be any module of the network; without it, one that fits is chosen and named.

# %%
found = seewhy.explain(classifier, digits.images[1201] / 16, ["grad-cam", "integrated-gradients", "occlusion"])
found

# %% [markdown]
# ## In a training loop
#
# Tensors in, tensors out, without any of the above.

# %%
maps = seewhy.attribute(network, x[1200:1264], target=y[1200:1264], method="integrated-gradients")
print(maps.values.shape, sorted(maps.checks))
