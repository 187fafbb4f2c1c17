from seewhy.models.shim import ready_torchvision

ready_torchvision()  # these tests import torchvision, timm and transformers themselves
