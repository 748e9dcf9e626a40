"""What reviewers said, as rows to train on and as a data set to share."""
