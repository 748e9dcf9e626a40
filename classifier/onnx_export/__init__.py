"""From a model's directory to the int8 graph in it that the onnx engine serves."""

from classifier.onnx_export.exporting import (
    ExportRefused,
    export_if_possible,
    export_model,
    record,
)

__all__ = ["ExportRefused", "export_if_possible", "export_model", "record"]
