"""Train with PyTorch, dropout and shuffled batches, from the newest checkpoint on."""

from pathlib import Path

import numpy as np
import torch

import mlberth
import mlberth.checkpoints.torch

job = mlberth.environment()
torch.manual_seed(7)
rows = torch.randn(120, 5)
labels = (rows[:, :1] * rows[:, 1:2] > 0).float()
model = torch.nn.Sequential(
    torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1)
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10)
parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}

store = mlberth.checkpoints.store()
for step in range(mlberth.checkpoints.torch.resume(store, **parts), job.hyperparameters["steps"]):
    print("step", step, flush=True)  # so many are done, and saved
    batch = torch.randperm(len(rows))[:40]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(rows[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    mlberth.checkpoints.torch.save(store, step + 1, **parts)

model.eval()
np.save(Path(job.model_dir) / "predictions.npy", model(rows).detach().numpy())
