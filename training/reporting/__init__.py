"""What a run measured as people read it: report, pictures, model card."""
