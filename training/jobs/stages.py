"""What a run does at each of its stages, in words; the stages are named in its row."""

from classifier.messages import message

STAGES = {
    "starting": message("starting"),
    "preparing": message("preparing"),
    "rehearsing": message("rehearsing"),
    "training": message("training"),
    "measuring": message("measuring"),
    "exporting": message("exporting"),
    "pushing": message("pushing"),
    "storing": message("storing"),
}
