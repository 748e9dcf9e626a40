"""What is fitted on validation rows after training: probabilities, ratings, the rule of windows."""
