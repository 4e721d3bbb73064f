"""Seeded mutations of a Python program's syntax tree: candidates of a search that need no model.

A request is a line of JSON, `{"source": TEXT, "donors": [TEXT, ..], "seed": INTEGER, "count": INTEGER}`, and so is
the answer: `{"source": TEXT, "description": TEXT}` or `{"error": TEXT}`. Without arguments requests are read from the
socket on descriptor 3 until it ends; with `--once` one is read from stdin and answered on stdout.

Each mutation replaces one piece of the text, so that comments and layout elsewhere stay as they are. Where the program
has `# EVOLVE-BLOCK-START` and `# EVOLVE-BLOCK-END`, nothing outside of them changes by a byte. The result compiles, its
tree differs from the source's, it has at most 64 KiB and is not nested deeper than 60 levels. It may have fewer
mutations than asked for, if no more are found. Nothing of the program is run. The same request has the same answer
under the same version of Python.

One file, longer than others: it is started by its path alone, in a sandbox that has nothing beside it to import.
"""

from __future__ import annotations

import ast
import builtins
import json
import random
import re
import socket
import sys
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional, Union

MOST_BYTES = 64 << 10
MOST_LINE_BYTES = 16 << 20
MOST_COUNT = 20
DEEPEST = 60
LARGEST_EXPRESSION = 60
MOST_TRIES = 60

COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
SUMS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
DIVISIONS = (ast.FloorDiv, ast.Mod)
ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.ListComp)
# Where an expression needs no brackets: field -> what it is a field of.
SURROUNDED: dict[str, Any] = {
    "value": (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.keyword),
    "args": ast.Call,
    "slice": ast.Subscript,
    "test": (ast.If, ast.While),
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Statements without which the rest does not work.
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)
START = re.compile(rb"^\s*#\s*EVOLVE-BLOCK-START")
END = re.compile(rb"^\s*#\s*EVOLVE-BLOCK-END")


class Unusable(Exception):
    """A program that cannot be mutated; the message says why."""


@dataclass(frozen=True)
class Site:
    """A node that may change, with where it stands."""

    node: ast.AST
    parent: ast.AST
    field: str
    scope: ast.AST


@dataclass(frozen=True)
class Edit:
    """A piece of the text with what comes in its place."""

    begin: int
    end: int
    text: bytes
    description: str


class Program:
    """A program's text and tree, and which of its nodes may change."""

    def __init__(self, source: str) -> None:
        self.text = source.encode("utf-8", "strict")
        if len(self.text) > MOST_BYTES:
            raise Unusable(f"the program has {len(self.text)} bytes, and at most {MOST_BYTES} are mutated")
        try:
            self.tree = ast.parse(source)
        except SyntaxError as error:
            raise Unusable(f"the program does not parse: line {error.lineno}: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise Unusable(f"the program does not parse: {type(error).__name__}") from None
        if depth(self.tree) > DEEPEST:
            raise Unusable(f"the program is nested deeper than {DEEPEST} levels")
        self.lines = re.split(rb"(?<=\n)|(?<=\r)(?!\n)", self.text)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.blocks = self._blocks()
        self.sites = [site for site in self._walk() if self.may_change(site.node)]

    def _blocks(self) -> Optional[list[tuple[int, int]]]:
        """The first and last lines inside of the markers; `None` if there are none."""
        blocks: list[tuple[int, int]] = []
        begin = None
        for number, line in enumerate(self.lines, start=1):
            if START.match(line):
                begin = number + 1
            elif END.match(line) and begin is not None:
                blocks.append((begin, number - 1))
                begin = None
        if begin is not None:
            blocks.append((begin, len(self.lines)))
        return blocks or None

    def may_change(self, node: ast.AST) -> bool:
        if not hasattr(node, "lineno"):
            return False
        if self.blocks is None:
            return True
        first, last = first_line(node), node.end_lineno
        return any(begin <= first and last <= end for begin, end in self.blocks)

    def _walk(self) -> Iterator[Site]:
        """All nodes in the order of the text, but those whose places are not told or that do nothing."""
        waiting: list[tuple[ast.AST, ast.AST]] = [(self.tree, self.tree)]
        while waiting:
            node, scope = waiting.pop()
            inner = node if isinstance(node, FUNCTIONS) else scope
            children: list[tuple[ast.AST, ast.AST]] = []
            for field, value in ast.iter_fields(node):
                if field in ("annotation", "returns", "decorator_list", "type_params", "type_comment"):
                    continue
                for child in value if isinstance(value, list) else [value]:
                    if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                        continue
                    if type(child).__name__ in ("TemplateStr", "match_case"):
                        continue
                    if hasattr(child, "lineno"):
                        yield Site(child, node, field, inner)
                    children.append((child, inner))
            waiting.extend(reversed(children))

    def span(self, node: Any) -> tuple[int, int]:
        """Where a node's text begins and ends."""
        begin = self.starts[node.lineno - 1] + node.col_offset
        return begin, self.starts[node.end_lineno - 1] + node.end_col_offset

    def replace(self, site: Site, new: ast.expr, description: str) -> Edit:
        """An expression in the place of another."""
        begin, end = self.span(site.node)
        text = ast.unparse(ast.fix_missing_locations(new))
        stands_alone = isinstance(new, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare)) and (
            isinstance(site.parent, SURROUNDED.get(site.field, ()))
        )
        is_plain = isinstance(new, ast.Constant) and not isinstance(site.parent, ast.Attribute)
        in_brackets = self.text[begin - 1 : begin] == b"(" and self.text[end : end + 1] == b")"
        if not (isinstance(new, ATOMS) or stands_alone or is_plain or in_brackets):
            text = f"({text})"
        return Edit(begin, end, text.encode(), f"{description} in line {site.node.lineno}")

    def whole_lines(self, statement: Any) -> Optional[tuple[int, int]]:
        """The lines of a statement that shares them with no other code."""
        first, last = first_line(statement), statement.end_lineno
        before = self.lines[first - 1][: statement.col_offset]
        after = self.lines[last - 1][statement.end_col_offset :].strip()
        if before.strip() or (after and not after.startswith(b"#")):
            return None
        if not self.lines[last - 1].endswith((b"\n", b"\r")):
            return None
        return self.starts[first - 1], self.starts[last]

    def apply(self, edit: Edit) -> str:
        return (self.text[: edit.begin] + edit.text + self.text[edit.end :]).decode()


def first_line(node: Any) -> int:
    """The line with which a node begins, decorators among it."""
    return min([node.lineno] + [decorator.lineno for decorator in getattr(node, "decorator_list", [])])


def depth(tree: ast.AST) -> int:
    most = 0
    waiting = [(tree, 1)]
    while waiting:
        node, level = waiting.pop()
        most = max(most, level)
        waiting.extend((child, level + 1) for child in ast.iter_child_nodes(node))
    return most


def size(tree: ast.AST) -> int:
    return sum(1 for _ in ast.walk(tree))


def shown(node: ast.AST) -> str:
    """An expression for a description, shortened."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 40 else text[:37] + "..."


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def is_numeric(node: ast.AST) -> bool:
    """Whether an expression looks like one whose value is a number."""
    if isinstance(node, ast.BinOp):
        return not isinstance(node.op, ast.Mod) or is_numeric(node.left)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, (ast.USub, ast.UAdd)) and is_numeric(node.operand)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in ("min", "max", "abs", "sum", "round", "sqrt", "exp", "log", "pow", "float", "len", "sin", "cos")
    return is_number(node)


def is_read(site: Site) -> bool:
    """Whether it is an expression that is read, and whose place takes any other."""
    if not isinstance(site.node, ast.expr) or isinstance(site.node, (ast.Starred, ast.Slice)):
        return False
    if isinstance(getattr(site.node, "ctx", None), (ast.Store, ast.Del)):
        return False
    # What is called stays, as do texts that stand alone.
    return site.field != "func" and not (isinstance(site.parent, ast.Expr) and isinstance(site.node, ast.Constant))


def names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def bound(scope: ast.AST) -> set[str]:
    """Names that a function, or the whole, binds, those of its own inner scopes among them."""
    found = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return found


def variables(site: Site) -> list[str]:
    """Names in scope that look like numbers: arguments, and what was computed before the site."""
    found: list[str] = []
    if isinstance(site.scope, FUNCTIONS):
        arguments = site.scope.args
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        found += [argument.arg for argument in listed if argument.arg not in ("self", "cls")]
    for node in ast.walk(site.scope):
        is_stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if is_stored and node.lineno < site.node.lineno and node.id not in found:
            found.append(node.id)
    return found


def constant(program: Program, choice: random.Random) -> Optional[Edit]:
    """Another value for a number or a truth value."""
    sites = [
        site
        for site in program.sites
        if is_number(site.node) or (isinstance(site.node, ast.Constant) and isinstance(site.node.value, bool))
    ]
    if not sites:
        return None
    site = choice.choice(sites)
    old = site.node.value
    new = another(old, [other.node.value for other in sites], choice)
    if new == old or abs(new) > 1e12:
        return None
    return program.replace(site, number(new), f"{old!r} becomes {new!r}")


def another(old: Any, others: list[Any], choice: random.Random) -> Any:
    """A value near an old one, or that of another place."""
    if isinstance(old, bool):
        return not old
    kind = choice.randrange(4)
    if isinstance(old, int):
        if kind == 0:
            return old + choice.choice((-1, 1))
        if kind == 1:
            return old + round(choice.gauss(0, 1) * max(1.0, abs(old) * 0.2))
        if kind == 2:
            return int(old * choice.choice((0.5, 1.5, 2)))
        whole = [other for other in others if type(other) is int and abs(other) <= 10 * abs(old) + 10]
        return choice.choice(whole + [0, 1, 2])
    if kind == 0:
        new = old * choice.choice((0.1, 0.5, 0.9, 1.1, 2.0, 10.0))
    elif kind == 1:
        new = old + choice.gauss(0, 1) * (abs(old) * 0.1 or 0.1)
    elif kind == 2:
        new = old * 10 ** choice.uniform(-0.3, 0.3)
    else:
        new = choice.choice([float(other) for other in others if type(other) in (int, float)] + [0.0, 0.5, 1.0, -old])
    return float(f"{new:.6g}")


def number(value: Any) -> ast.expr:
    """The expression of a number; those below zero have a sign before them."""
    if isinstance(value, bool) or value >= 0:
        return ast.Constant(value)
    return ast.UnaryOp(ast.USub(), ast.Constant(-value))


def operator(program: Program, choice: random.Random) -> Optional[Edit]:
    """Another comparison, arithmetic or boolean operator of the same kind."""
    fitting: list[tuple[Site, tuple[Any, ...]]] = []
    for site in program.sites:
        node = site.node
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], COMPARISONS):
            fitting.append((site, COMPARISONS))
        elif isinstance(node, ast.BinOp):
            kinds = [kinds for kinds in (SUMS, DIVISIONS) if isinstance(node.op, kinds)]
            fitting.extend((site, kind) for kind in kinds)
        elif isinstance(node, ast.BoolOp):
            fitting.append((site, (ast.And, ast.Or)))
    if not fitting:
        return None
    site, kinds = choice.choice(fitting)
    node = site.node
    old = node.ops[0] if isinstance(node, ast.Compare) else node.op
    new = choice.choice([kind for kind in kinds if not isinstance(old, kind)])()
    if isinstance(node, ast.Compare):
        changed: ast.expr = ast.Compare(node.left, [new], node.comparators)
    elif isinstance(node, ast.BinOp):
        changed = ast.BinOp(node.left, new, node.right)
    else:
        changed = ast.BoolOp(new, node.values)
    return program.replace(site, changed, f"{shown(node)} becomes {shown(changed)}")


def operands(program: Program, choice: random.Random) -> Optional[Edit]:
    """Two operands, or two arguments, change places."""
    fitting = [
        site
        for site in program.sites
        if (isinstance(site.node, ast.BinOp) and not isinstance(site.node.op, (ast.Add, ast.Mult)))
        or (isinstance(site.node, ast.Compare) and len(site.node.ops) == 1)
        or (isinstance(site.node, ast.Call) and len(site.node.args) >= 2)
    ]
    if not fitting:
        return None
    site = choice.choice(fitting)
    node = site.node
    if isinstance(node, ast.BinOp):
        changed: ast.expr = ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.Compare):
        changed = ast.Compare(node.comparators[0], node.ops, [node.left])
    else:
        at = choice.randrange(len(node.args) - 1)
        arguments = [*node.args[:at], node.args[at + 1], node.args[at], *node.args[at + 2 :]]
        changed = ast.Call(node.func, arguments, node.keywords)
    return program.replace(site, changed, f"{shown(node)} becomes {shown(changed)}")


def graft(program: Program, choice: random.Random, donors: list[ast.AST]) -> Optional[Edit]:
    """An expression of the same function, or of a donor, in the place of another of about its kind."""
    sites = [site for site in program.sites if is_read(site) and not isinstance(site.node, ast.Lambda)]
    if not sites:
        return None
    site = choice.choice(sites)
    donor = choice.choice(donors) if donors and choice.random() < 0.6 else None
    usable = {name for inner in program.tree.body for name in bound_here(inner)} | set(dir(builtins))
    if isinstance(site.scope, FUNCTIONS):
        usable |= bound(site.scope) | names(site.scope)
    found = [
        node
        for node in ast.walk(donor if donor is not None else site.scope)
        if isinstance(node, ast.expr)
        and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        and not isinstance(node, (ast.Starred, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.Lambda))
        and not isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await, ast.NamedExpr))
        and is_numeric(node) == is_numeric(site.node)
        and isinstance(node, (ast.Compare, ast.BoolOp)) == isinstance(site.node, (ast.Compare, ast.BoolOp))
        and not (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
        and size(node) <= LARGEST_EXPRESSION
        and names(node) <= usable
    ]
    found = [node for node in found if ast.dump(node) != ast.dump(site.node)]
    if not found:
        return None
    new = choice.choice(found)
    whose = "" if donor is None else " of a donor"
    return program.replace(site, new, f"{shown(site.node)} becomes {shown(new)}{whose}")


def bound_here(statement: ast.AST) -> set[str]:
    """Names that a statement of the program itself binds, without those inside of functions."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    return bound(statement)


def wrap(program: Program, choice: random.Random) -> Optional[Edit]:
    """A number inside of a call."""
    sums = [site for site in program.sites if isinstance(site.node, ast.BinOp)]
    sites = [site for site in sums if is_read(site) and is_numeric(site.node)]
    if not sites:
        return None
    site = choice.choice(sites)
    name = choice.choice(("min", "max", "abs", "round"))
    arguments: list[ast.expr] = [site.node]
    if name in ("min", "max"):
        arguments.append(number(choice.choice((0, 1, 0.5, -1, 2, 10))))
    elif name == "round":
        arguments.append(ast.Constant(choice.randrange(5)))
    changed = ast.Call(ast.Name(name, ast.Load()), arguments, [])
    return program.replace(site, changed, f"{shown(site.node)} becomes {shown(changed)}")


def bodies(program: Program) -> list[list[ast.stmt]]:
    """Lists of statements of which some may change."""
    found = []
    for node in ast.walk(program.tree):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list) and statements and isinstance(statements[0], ast.stmt):
                found.append(statements)
    return found


def statement(program: Program, choice: random.Random) -> Optional[Edit]:
    """A statement is deleted, repeated, or changes places with the next."""
    places: list[tuple[list[ast.stmt], int]] = []
    for body in bodies(program):
        for at, inner in enumerate(body):
            is_text = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)
            if not isinstance(inner, KEPT) and not is_text and program.may_change(inner) and program.whole_lines(inner):
                places.append((body, at))
    if not places:
        return None
    body, at = choice.choice(places)
    inner = body[at]
    begin, end = program.whole_lines(inner) or (0, 0)
    lines = program.text[begin:end]
    kind = choice.randrange(3)
    where = f"{shown(inner)} of line {inner.lineno}"
    if kind == 0 and not isinstance(inner, ast.Return):
        keeps_place = lines[: inner.col_offset] + b"pass\n" if len(body) == 1 else b""
        return Edit(begin, end, keeps_place, f"without {where}")
    if kind == 1 and not isinstance(inner, (ast.Return, ast.Break, ast.Continue, ast.Raise, ast.Pass)):
        return Edit(end, end, lines, f"{where} twice")
    if (body, at + 1) not in places:
        return None
    following = program.whole_lines(body[at + 1])
    if following is None or following[0] < end:
        return None
    between = program.text[end : following[0]]
    swapped = program.text[following[0] : following[1]] + between + lines
    return Edit(begin, following[1], swapped, f"{where} after the next statement")


def bound_of_loop(program: Program, choice: random.Random) -> Optional[Edit]:
    """Another end of a `range`."""
    sites = [
        site
        for site in program.sites
        if isinstance(site.parent, ast.Call)
        and isinstance(site.parent.func, ast.Name)
        and site.parent.func.id == "range"
        and site.field == "args"
        and site.node is site.parent.args[min(1, len(site.parent.args) - 1)]
        and not isinstance(site.node, ast.Starred)
    ]
    if not sites:
        return None
    site = choice.choice(sites)
    operation, by = choice.choice(((ast.Add, 1), (ast.Sub, 1), (ast.Mult, 2), (ast.FloorDiv, 2)))
    if is_number(site.node) and isinstance(site.node.value, int):
        old = site.node.value
        new = {ast.Add: old + by, ast.Sub: old - by, ast.Mult: old * by, ast.FloorDiv: old // by}[operation]
        changed: ast.expr = number(new)
    else:
        changed = ast.BinOp(site.node, operation(), ast.Constant(by))
    return program.replace(site, changed, f"range to {shown(changed)} and not {shown(site.node)}")


def term(known: list[str], choice: random.Random, level: int = 0) -> ast.expr:
    """A small expression over variables."""

    def call(name: str, *arguments: ast.expr) -> ast.expr:
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    def variable() -> ast.expr:
        return ast.Name(choice.choice(known), ast.Load())

    one = ast.Constant(1)
    inner = variable() if level >= 1 or choice.random() < 0.6 else term(known, choice, level + 1)
    kind = choice.randrange(8)
    if kind == 0:
        return ast.BinOp(inner, ast.Mult(), variable())
    if kind == 1:
        return ast.BinOp(inner, ast.Pow(), ast.Constant(2))
    if kind == 2:
        return call("abs", ast.BinOp(inner, ast.Sub(), variable()))
    if kind == 3:
        return ast.BinOp(inner, ast.Div(), ast.BinOp(one, ast.Add(), call("abs", variable())))
    if kind == 4:
        return ast.BinOp(one, ast.Div(), ast.BinOp(one, ast.Add(), call("abs", inner)))
    if kind == 5:
        return call(choice.choice(("min", "max")), inner, variable())
    if kind == 6:
        return ast.BinOp(inner, ast.Div(), ast.BinOp(call("abs", variable()), ast.Add(), ast.Constant(1e-9)))
    return inner


def more(program: Program, choice: random.Random) -> Optional[Edit]:
    """A further term in something that is computed."""
    sites = [
        site
        for site in program.sites
        if is_read(site)
        and (is_numeric(site.node) or isinstance(site.node, ast.Name))
        and (isinstance(site.parent, (ast.Return, ast.Assign, ast.AugAssign)) or isinstance(site.parent, ast.BinOp))
    ]
    if not sites:
        return None
    site = choice.choice(sites)
    known = variables(site)
    if not known:
        return None
    new = term(known, choice)
    if choice.random() < 0.7:
        factor = number(float(f"{10 ** choice.uniform(-3, 0.5):.3g}"))
        new = ast.BinOp(factor, ast.Mult(), new)
    operation = choice.choice((ast.Add, ast.Sub, ast.Add, ast.Sub, ast.Mult))()
    changed = ast.BinOp(site.node, operation, new)
    return program.replace(site, changed, f"{shown(site.node)} becomes {shown(changed)}")


def less(program: Program, choice: random.Random) -> Optional[Edit]:
    """One part of something that has several."""
    fitting: list[tuple[Site, list[ast.expr]]] = []
    for site in program.sites:
        node = site.node
        if isinstance(node, ast.BinOp):
            fitting.append((site, [node.left, node.right]))
        elif isinstance(node, ast.BoolOp):
            fitting.append((site, list(node.values)))
        elif isinstance(node, ast.IfExp):
            fitting.append((site, [node.body, node.orelse]))
        elif isinstance(node, ast.UnaryOp) and not is_number(node.operand):
            fitting.append((site, [node.operand]))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("min", "max", "abs", "round"):
            parts = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
            if parts and (len(parts) > 1 or node.func.id in ("abs", "round")):
                fitting.append((site, parts))
    if not fitting:
        return None
    site, parts = choice.choice(fitting)
    new = choice.choice(parts)
    return program.replace(site, new, f"{shown(site.node)} becomes {shown(new)}")


Mutation = Callable[[Program, random.Random], Optional[Edit]]
MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    (constant, 6),
    (operator, 3),
    (operands, 1),
    (wrap, 1),
    (statement, 2),
    (bound_of_loop, 1),
    (more, 4),
    (less, 2),
)
GRAFT_WEIGHT = 3


def checked(source: str, before: str) -> Optional[Program]:
    """The program of a changed text, if it is one that differs and keeps to the bounds."""
    try:
        program = Program(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "program.py", "exec", dont_inherit=True)
        return program if ast.dump(program.tree) != before else None
    except (Unusable, SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def mutated(source: str, donors: list[str], seed: int, count: int) -> tuple[str, str]:
    """A program that differs from the source by so many mutations, and what they are."""
    program = Program(source)
    if not program.sites:
        raise Unusable("the program has nothing that can be mutated")
    first = ast.dump(program.tree)
    trees: list[ast.AST] = []
    for donor in donors:
        try:
            trees.append(Program(donor).tree)
        except (Unusable, UnicodeEncodeError):
            continue
    choice = random.Random(seed)
    kinds = [kind for kind, _ in MUTATIONS] + [graft]
    weights = [weight for _, weight in MUTATIONS] + [GRAFT_WEIGHT]
    text, told = source, []
    for _ in range(MOST_TRIES * count):
        kind: Any = choice.choices(kinds, weights)[0]
        edit = graft(program, choice, trees) if kind is graft else kind(program, choice)
        if edit is None:
            continue
        changed = program.apply(edit)
        next_program = checked(changed, ast.dump(program.tree))
        if next_program is None or ast.dump(next_program.tree) == first:
            continue
        program, text = next_program, changed
        told.append(edit.description)
        if len(told) == count:
            break
    if not told:
        raise Unusable("no mutation of the program was found that compiles")
    return text, "; ".join(told)


def answer(line: Union[str, bytes]) -> dict[str, Any]:
    """The answer to a request."""
    try:
        request = json.loads(line)
        source, donors = request["source"], request.get("donors", [])
        seed, count = request["seed"], request.get("count", 1)
        is_right = isinstance(source, str) and isinstance(donors, list) and all(isinstance(one, str) for one in donors)
        if not is_right or type(seed) is not int or type(count) is not int or not 1 <= count <= MOST_COUNT:
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        told = f"a request is an object of source, donors (texts), seed and count (1 to {MOST_COUNT})"
        return {"error": told}
    try:
        text, description = mutated(source, donors, seed, count)
    except Unusable as error:
        return {"error": str(error)}
    except UnicodeEncodeError:
        return {"error": "the program is no valid text"}
    except (RecursionError, MemoryError) as error:
        return {"error": f"the program is too deep or too large: {type(error).__name__}"}
    return {"source": text, "description": description}


def serve(connection: socket.socket) -> None:
    """Answers line by line until the other end is closed."""
    with connection.makefile("rwb") as stream:
        while True:
            line = stream.readline(MOST_LINE_BYTES)
            if not line:
                return
            if not line.endswith(b"\n"):
                reply = {"error": f"a request has more than {MOST_LINE_BYTES} bytes, or no end"}
                stream.write(json.dumps(reply).encode() + b"\n")
                stream.flush()
                return
            stream.write(json.dumps(answer(line)).encode() + b"\n")
            stream.flush()


def main(arguments: list[str]) -> int:
    if arguments == ["--once"]:
        sys.stdout.write(json.dumps(answer(sys.stdin.buffer.read(MOST_LINE_BYTES))) + "\n")
        return 0
    if arguments:
        sys.stderr.write("usage: researchgym_mutate.py [--once]\n")
        return 2
    serve(socket.socket(fileno=3))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
