"""What rules.yml finds (ruleid) and leaves alone (ok). Nobody runs it: `semgrep --test` reads it."""

# ruleid: no-remote-code
AutoTokenizer.from_pretrained(source, trust_remote_code=True)
# ruleid: no-remote-code
pipeline("text-classification", trust_remote_code=settings.TRUST)
# ok: no-remote-code
AutoTokenizer.from_pretrained(source, trust_remote_code=False)

# ruleid: safetensors-only
AutoModelForSequenceClassification.from_pretrained(directory)
# ruleid: safetensors-only
AutoModel.from_pretrained(**source)
# ruleid: safetensors-only
AutoModel.from_pretrained(directory, use_safetensors=False)
# ok: safetensors-only
AutoModel.from_pretrained(directory, config=settings, use_safetensors=True)
# ok: safetensors-only
AutoTokenizer.from_pretrained(directory)

import marshal
import pickle

import numpy
import torch

# ruleid: no-pickles
torch.load(path)
# ruleid: no-pickles
pickle.loads(row)
# ruleid: no-pickles
marshal.loads(row)
# ruleid: no-pickles
numpy.load(path, allow_pickle=True)
# ok: no-pickles
numpy.load(path)

import urllib.request

import requests

# ruleid: no-address-of-a-user
urllib.request.urlopen(form["address"])
# ruleid: no-address-of-a-user
requests.post(address, json=row)

# ruleid: no-built-sql
Prediction.objects.raw("SELECT 1")
# ruleid: no-built-sql
cursor.execute(f"SELECT * FROM classifier_prediction WHERE label = '{label}'")
# ruleid: no-built-sql
cursor.execute("SELECT * FROM classifier_prediction WHERE label = '%s'" % label)
# ok: no-built-sql
cursor.execute("SELECT * FROM classifier_prediction WHERE label = %s", [label])

import os
import subprocess

# ruleid: no-shell
subprocess.run(f"tar xf {name}", shell=True)
# ruleid: no-shell
os.system(command)
# ok: no-shell
subprocess.run(["tar", "xf", name], check=True)

# ruleid: no-code-of-text
eval(text)
# ok: no-code-of-text
model.eval()

# ruleid: escaped-html
mark_safe(review)
# ruleid: escaped-html
format_html(f"<b>{review}</b>")
# ruleid: escaped-html
format_html("<b>" + review + "</b>")
# ok: escaped-html
format_html("<b>{}</b>", review)

# ruleid: no-text-in-logs
logger.warning("It cannot be read: %s", prediction.text)
# ruleid: no-text-in-logs
logger.info(f"Rated {prediction.text[:20]}")
# ok: no-text-in-logs
logger.info("Rated %s", prediction.pk)
