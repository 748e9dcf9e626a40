"""What a program is told of an error: one shape, one status and the headers. Without DRF."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import UnreadablePostError

from classifier import bulk_http, overload, predictor
from classifier.api.refusals import Refusal
from classifier.api.requests import InvalidField, InvalidRequest
from classifier.bulk.errors import TableError
from classifier.bulk_jobs.errors import BulkError
from classifier.exceptions import ClassifierError, ModelNotReady, Overloaded
from classifier.messages import message
from classifier.uploads import UploadRefused, not_one_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ErrorAnswer:
    status: int
    """Of HTTP."""
    error: ClassifierError
    field: str | None = None
    """Of the request, which the error is about."""
    headers: Mapping[str, str] | None = None
    """Besides the usual ones."""

    @property
    def content(self) -> dict[str, Any]:
        """As ErrorSerializer describes it, in the reader's language."""
        return {"error": error_detail(self.error, field=self.field)}


def error_detail(error: ClassifierError, *, field: str | None = None) -> dict[str, str | None]:
    """An error as ErrorDetailSerializer describes it, in the reader's language."""
    return {
        "code": error.code,
        "field": field,
        "rule": error.rule,
        "value": error.value,
        "remedy": error.remedy,
    }


def error_answer(error: Exception) -> ErrorAnswer | None:
    """How an error is answered; None for those that are none of ours, or the framework's."""
    match error:
        case InvalidField():
            return ErrorAnswer(400, error.error, error.field)
        case InvalidRequest():
            return ErrorAnswer(400, error)
        case Refusal():
            return ErrorAnswer(error.status, error, headers=error.headers)
        case Overloaded():
            return ErrorAnswer(429, error, headers=_retry_after(overload.RETRY_SECONDS))
        case ModelNotReady():
            return ErrorAnswer(503, error, headers=_retry_after(predictor.RETRY_SECONDS))
        case UploadRefused() | TableError() | BulkError() | bulk_http.ResultNotThere():
            status = bulk_http.status_of(error)
            headers = _retry_after(bulk_http.RETRY_SECONDS) if status == 503 else None
            return ErrorAnswer(status, error, bulk_http.field_of(error), headers)
        case OperationalError() | InterfaceError():
            logger.warning("The database does not answer: %s", error)
            headers = _retry_after(predictor.RETRY_SECONDS)
            return ErrorAnswer(503, _database_not_ready(error), headers=headers)
    return _body_answer(error)


def _body_answer(error: Exception) -> ErrorAnswer | None:
    """For bodies that Django itself does not read to their end."""
    match error:
        case RequestDataTooBig():
            return ErrorAnswer(413, _body_too_large())
        case TooManyFieldsSent():
            return ErrorAnswer(400, _too_many_fields())
        case TooManyFilesSent():
            return ErrorAnswer(400, not_one_file())
        case UnreadablePostError():
            return ErrorAnswer(400, _body_cut_off())
    return None


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(int(seconds))}


def _database_not_ready(error: Exception) -> InvalidRequest:
    return InvalidRequest(
        code="database_not_ready",
        rule=message("The database must answer, so that what is said is kept."),
        value=type(error).__name__,
        remedy=message("Send the request again; nothing of it was kept."),
    )


def _body_too_large() -> InvalidRequest:
    return InvalidRequest(
        code="body_too_large",
        rule=message(
            "A request may have {most:,} bytes at most.", most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        ),
        value=message("more"),
        remedy=message("Send fewer or shorter texts in one request."),
    )


def _too_many_fields() -> InvalidRequest:
    return InvalidRequest(
        code="too_many_fields",
        rule=message(
            "A form has {most} fields at most.", most=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        ),
        value=message("more"),
        remedy=message("Send fewer texts in one request."),
    )


def _body_cut_off() -> InvalidRequest:
    return InvalidRequest(
        code="body_cut_off",
        rule=message("A request must be sent to its end."),
        value=message("a connection that broke"),
        remedy=message("Send the request again; nothing of it was kept."),
    )
