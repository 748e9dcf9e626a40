"""The errors that the code raises, read from the code: to write the catalogue, not to serve it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from rest_framework.exceptions import APIException

from classifier import bulk_http
from classifier.messages import message

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("classifier", "training")
FILLED_IN = "{…}"
UNSAID = message("The error itself says it.")

# The HTTP status that each kind of error is answered with, where the error has none of its own
STATUSES = {
    "InvalidRequest": 400,
    "InvalidText": 400,
    "WrongPair": 400,
    "ExplanationUnavailable": 400,
    "InvalidJudgement": 400,
    "InvalidLabelConfig": 400,
    "InvalidRun": 400,
    "TableError": 400,
    "UploadRefused": 400,
    "BulkError": 400,
    "ResultNotThere": 409,
    "ModelNotReady": 503,
    "Overloaded": 429,
    "Refusal": 0,
    "_unauthorized": 401,
}
# Kinds that only commands, workers and pages tell
NOT_OF_THE_API = {
    *("ClassifierError", "EngineError", "ExportRefused", "GateFailed", "InvalidRow", "PartsError"),
    *("ReviewLost", "TooFewVerdicts"),
}


class Told(TypedDict):
    """An error as a program may be told it: messages, whose {places} stand for what differs."""

    code: str
    status: list[int]
    rule: list[str]
    remedy: list[str]


def collect(root: Path = ROOT) -> list[Told]:
    """All errors of the API, by code."""
    found: dict[str, Told] = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for code, status, rules, remedies in (*_raised(tree), *_of_the_framework(tree)):
                told = found.setdefault(
                    code, {"code": code, "status": [], "rule": [], "remedy": []}
                )
                told["status"] = sorted({*told["status"], status})
                told["rule"] = list(dict.fromkeys([*told["rule"], *rules]))
                told["remedy"] = list(dict.fromkeys([*told["remedy"], *remedies]))
    for told in found.values():
        told["rule"], told["remedy"] = _said(told["rule"]), _said(told["remedy"])
    return [found[code] for code in sorted(found)]


def _said(texts: list[str]) -> list[str]:
    """Without those of which the code says nothing."""
    return [text for text in texts if text.strip(f"{FILLED_IN}. ")] or [UNSAID]


def kinds(root: Path = ROOT) -> set[str]:
    """The names of all that is called with a code and a rule."""
    return {
        _name(call.func)
        for package in PACKAGES
        for file in (root / package).rglob("*.py")
        for call, _said in _calls(ast.parse(file.read_text(encoding="utf-8")))
    }


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, dict[str, ast.expr]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            said = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            if {"code", "rule", "remedy"} <= said.keys():
                yield node, said


def _raised(tree: ast.Module) -> Iterator[tuple[str, int, list[str], list[str]]]:
    constants = _constants(tree)
    for call, said in _calls(tree):
        status = STATUSES.get(_name(call.func))
        # A code that is passed on is said elsewhere.
        if status is None or isinstance(said["code"], ast.Name | ast.Attribute):
            continue
        if isinstance(given := said.get("status"), ast.Constant):
            status = int(str(given.value))
        for code in _texts(said["code"], call, tree, constants):
            yield (
                code,
                bulk_http.STATUSES.get(code, status),
                _texts(said["rule"], call, tree, constants),
                _texts(said["remedy"], call, tree, constants),
            )


def _of_the_framework(tree: ast.Module) -> Iterator[tuple[str, int, list[str], list[str]]]:
    """The entries of `advice`, for errors of DRF's own."""
    statuses = {kind.default_code: kind.status_code for kind in _subclasses(APIException)}
    own = dict(_conflicts(tree))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict)):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if {_name(target) for target in targets} & {"advice", "ADVICE"}:
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Tuple):
                    code = str(key.value)
                    status = own.get(code) or statuses[code]
                    rule, remedy = (_text(part, {}) for part in value.elts)
                    yield code, status, [rule], [remedy]


def _conflicts(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The codes of a module's own APIExceptions; all of them are conflicts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == "default_code":
            yield _text(node.value, {}), 409


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, str]:
    """What a module's own constants are, where that stands in the code."""
    return {
        target.id: text
        for node in tree.body
        if isinstance(node, ast.Assign) and (text := _text(node.value, {})) != FILLED_IN
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _texts(
    node: ast.expr, call: ast.Call, tree: ast.Module, constants: dict[str, str]
) -> list[str]:
    """All that may stand there: what a variable is set to, or what the callers pass."""
    function = next(
        (
            each
            for each in ast.walk(tree)
            if isinstance(each, ast.FunctionDef) and call in set(ast.walk(each))
        ),
        None,
    )
    if isinstance(node, ast.IfExp):
        either = (_texts(part, call, tree, constants) for part in _either(node))
        return [text for texts in either for text in texts]
    names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    if function is None or not isinstance(node, ast.Name | ast.JoinedStr) or len(names) != 1:
        return [_text(node, constants)]
    values = (one for each in _values(names[0], function, tree) for one in _either(each))
    said = [_text(each, constants) for each in values]
    if isinstance(node, ast.JoinedStr):
        texts = [_text(node, {**constants, names[0]: each}) for each in said]
    else:
        texts = said
    return list(dict.fromkeys(texts or [_text(node, constants)]))


def _either(node: ast.expr) -> list[ast.expr]:
    """The two values of a conditional expression; any other is one."""
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]


def _values(name: str, function: ast.FunctionDef, tree: ast.Module) -> Iterator[ast.expr]:
    for each in ast.walk(function):
        if isinstance(each, ast.Assign) and _name(each.targets[0]) == name:
            yield each.value
    parameters = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]
    if name in parameters:
        place = parameters.index(name)
        for each in ast.walk(tree):
            if isinstance(each, ast.Call) and _name(each.func) == function.name:
                yield from each.args[place : place + 1]
                yield from (one.value for one in each.keywords if one.arg == name)


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """What stands in the code: a code, or what the catalogues of translations list; else {…}."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.Name() if node.id in constants:
            return constants[node.id]
        case ast.JoinedStr():
            return "".join(_text(part, constants) for part in node.values)
        case ast.FormattedValue():
            return _text(node.value, constants)
        case ast.Call() if _name(node.func) == "message":
            return _text(node.args[0], constants)
    return FILLED_IN
