"""Several models as one: what each says of texts, and how that becomes one answer."""

from training.ensemble.labelling import Request, Result, pseudo_label
from training.ensemble.members import LinearMember, Member, ModelMember, open_members
from training.ensemble.texts import Unlabelled, unlabelled_texts

__all__ = [
    "LinearMember",
    "Member",
    "ModelMember",
    "Request",
    "Result",
    "Unlabelled",
    "open_members",
    "pseudo_label",
    "unlabelled_texts",
]
