"""infinity-emb's own command, started inside the model's directory.

INFINITY/bin/python infinity_app.py DIRECTORY --engine optimum …

Its optimum engine looks for an ONNX file by the path from where it was started, and optimum takes
that for one from the model's directory: the two agree there alone.
"""

import os
import sys

from infinity_emb.cli import cli

if __name__ == "__main__":
    directory = sys.argv[1]
    os.chdir(directory)
    sys.argv[1:2] = ["v2", "--model-id", "."]
    cli()
