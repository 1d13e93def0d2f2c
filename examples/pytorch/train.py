"""Train a small PyTorch network, and save it as torch.export does: it is served without serving code."""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Classifier(nn.Module):
    """Answers with the number of the class, instead of a score for each."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, rows):
        """Return the class of each row."""
        return self.network(rows).argmax(dim=1)


parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=200)
parser.add_argument("--learning-rate", type=float, default=0.02)
arguments = parser.parse_args()

table = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAINING"]) / "iris.csv", delimiter=",", dtype=np.float32)
labels, rows = torch.from_numpy(table[:, 0]).long(), torch.from_numpy(table[:, 1:])

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = torch.optim.Adam(network.parameters(), lr=arguments.learning_rate)
for _ in range(arguments.epochs):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(rows), labels).backward()
    optimizer.step()

model = Classifier(network).eval()
print(f"training:accuracy={(model(rows) == labels).float().mean():.4f}")

# Any number of rows may come in one request.
program = torch.export.export(model, (rows,), dynamic_shapes=({0: torch.export.Dim("rows")},))
torch.export.save(program, Path(os.environ["SM_MODEL_DIR"]) / "model.pt2")
