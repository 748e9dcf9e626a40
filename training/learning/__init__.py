"""What learns: the base model and its adapter, the loss, the Trainer, the processes of a run."""
