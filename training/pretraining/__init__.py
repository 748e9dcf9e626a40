"""Masked-language-model training of an encoder on the texts of a data set, labelled or not.

Gururangan et al. 2020, "Don't Stop Pretraining", arXiv:2004.10964: an encoder that has read texts
of the kind it will rate before it is fine-tuned rates them better. Importing the package is light;
its modules import torch.
"""
