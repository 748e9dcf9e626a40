"""Label Studio's door: its ML-backend protocol, and its webhooks as verdicts.

The protocol is that of label_studio_ml.api (HumanSignal/label-studio-ml-backend), as
label_studio.ml.api_connector (HumanSignal/label-studio) speaks it.
"""
