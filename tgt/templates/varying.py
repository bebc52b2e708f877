"""What differs between two tellings of one error is replaced by what it is: ``<path>``, ``<n>``.

One pass with one alternation: at each place the first form that fits decides, so that what must
stay (an HTTP status, a module's name) is listed before what would take it away.
"""

from __future__ import annotations

import re

from tgt.templates.languages import (
    NO_FILE,
    NO_PERMISSION,
    NO_PROGRAM,
    POWERSHELL_HAS_NO_PROGRAM,
    WINDOWS_HAS_NO_PROGRAM,
)

_QUOTES = "'\"`‘’“”"
_EXTENSION = (
    r"(?:py|pyi|js|jsx|mjs|cjs|ts|tsx|json|jsonl|ya?ml|toml|md|txt|rs|go|java|kt|rb|ex|exs|php"
    r"|c|h|cc|cpp|hpp|cs|swift|sh|bash|zsh|sql|html|css|scss|vue|svelte|lock|log|csv|xml|ipynb"
    r"|png|jpe?g|gif|svg|pdf|zip|tar|gz|db|sqlite|env|cfg|ini|conf|proto|tf|sum|mod|out|bak|tmp)"
)
_OF_WINDOWS = r"(?:psm?1|bat|cmd|exe|dll|sln|[a-z]{2,3}proj|xaml|razor)"
_WELL_KNOWN_FILE = (
    r"(?:package(?:-lock)?\.json|tsconfig\.json|Cargo\.(?:toml|lock)|pyproject\.toml"
    r"|go\.(?:mod|sum)"
    r"|pnpm-lock\.yaml|composer\.json|requirements\.txt|setup\.py|docker-compose\.ya?ml"
    r"|[Nn]ode\.js|[Nn]ext\.js|[Vv]ue\.js)"
)
_NO_REPO = (
    r"[Aa]nd|[Oo]r|[Nn]ot|TCP|HTTP|text|image|audio|video|application|multipart|font|model|read|yes"
    r"|true|Failure|on|client|server|input|either|he|start|owner|name|github|golang|pypi"
    r"|hooks?|tcp|udp"
)
_PLACE = r"(?:(?::\d{1,7}){1,3}|\(\d{1,7}(?:,\d{1,7})?\)|#L\d{1,7})?"
_STEP = r"[^\s/\\:'\"`<>|,;()\[\]{}]"
_UNIT = r"(?:ms|milliseconds?|µs|us|ns|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)"

_FORMS: dict[str, str] = {
    "kept": (
        r"<(?:path|str|n|id|time|size|url|addr|email|ref)>|\[redacted:[a-z-]{1,40}\]"
        # Numbers that tell: statuses, exit codes, codes of compilers and of systems.
        r"|\b(?i:request failed|failed with|returned|responded|response|received)(?: with)?:?"
        r" [45]\d{2}(?=[.,;]?(?:\Z| (?:from|for|by|on|at)\b))"
        r"|(?i:\bhttp(?:/\d(?:\.\d)?)?[ :]{1,3}|\b(?:status|error|http)(?:[ _]code)?[ :=(]{1,3}"
        r"|\bcode[ :=]{1,2})[1-5]\d{2}\b(?![\w.,:/-]{0,40}\d)"
        r"|(?<![\w.-])[45]\d{2}:? (?=[A-Z][A-Za-z]{2}|[a-z]{2,30}_[a-z])"
        r"|(?i:\bexit(?:ed)?(?: with)?(?: code| status)|\bexit_code)[:= ]{1,3}-?\d{1,3}\b"
        r"|\b(?i:errno:?|os error|signal) -?\d{1,3}\b"
        r"|(?<![\w-])[A-Z]{1,6}\d{1,5}(?![\w-])"
        r"|\[GHC-\d{1,6}\]|\bERROR \d{4} \([0-9A-Z]{5}\)|\b\d\d[0-9A-Z]\d\d(?=: )"
        r"|\b(?i:unknown|invalid|no such) (?:sub)?command:? ['\"`]?[\w:-]{1,40}['\"`]?"
        r"|\bCommand \"[\w.+@:/-]{1,60}\"(?= not found)|\bexec: \"[\w.+@-]{1,60}\"(?=: executable)"
        r"|\b(?i:environment variable|env var):? ['\"`][A-Z][A-Z\d_]{2,60}['\"`]"
        r"|\blint/[a-z]{2,30}/\w{2,60}|\bprovid(?:es|ing) package [\w./-]{1,120}"
        r"|\bfatal error: [\w./+-]{1,100}\.h(?:pp|h)?: No such file or directory"
        r"|KeyError: ['\"][A-Z][A-Z\d_]{2,60}['\"]"
        r"|\bresolve import ['\"]@?[A-Za-z][\w./@-]{0,80}['\"]"
        r"|\b(?i:utf-?(?:8|16|32)|sha-?\d{1,3}|md5|base64|x86_64|x64|arm64|oauth2|ipv[46]|latin-?1"
        r"|(?:u?int|float)\d{1,3}|python[23]|pip3|s3|ec2|k8s|http2)\b"
        # Names that tell: a module that is absent, an option that is not known, a type.
        r"|(?:[Nn]o such module|No module named|Cannot find (?:module|package)|Can't resolve"
        r"|Could not resolve)"
        rf" (?P<q>['\"])@?[A-Za-z_][\w.@/-]{{0,80}}(?P=q)"
        rf"|(?<!\w)['\"`]--?[A-Za-z][\w-]{{0,40}}['\"`]"
        r"|(?<!\w)'(?:NoneType|str|int|float|list|dict|tuple|bool|bytes|set|object|function"
        r"|coroutine|generator|undefined|null)'"
        r"|\bThe token '[&|]{1,2}'(?= is not a valid)"
        rf"|\b{_WELL_KNOWN_FILE}\b(?![\w/])"
    ),
    "url": r"\b(?:https?|wss?|ftp|ssh|git|file|postgres(?:ql)?|redis)://[^\s'\"`<>|)\]}]{1,600}+",
    "email": r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,5}+(?::\S{1,200})?",
    "uuid": r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z])",
    "time": (
        r"(?<!\d)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
        r"(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)"
        r"|(?<![\d:])\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?![\d:])"
        r"|(?<![\w.-])(?:\d{1,9}(?:[.,]\d{1,9})?\s?" + _UNIT + r"\b[ ,]{0,2}){1,4}"
        r"|\b(?:resets?|until|after|at) \d{1,2}(?::\d\d)? ?[ap]m\b(?: \([\w/+-]{1,40}\))?"
    ),
    "size": r"(?<![\w.])\d{1,12}(?:[.,]\d{1,9})?\s?(?:[kKMGT]i?B|bytes|B|[KMG])\b",
    "str": (
        r"(?<!\w)'(?:[^'\\\n]|\\.){0,400}?'(?!\w)|(?<!\w)\"(?:[^\"\\\n]|\\.){0,400}?\"(?!\w)"
        r"|`[^`\n]{0,400}`|‘[^’\n]{0,400}’|“[^”\n]{0,400}”"
        r"|(?<=\w)\([^\n]{0,400}\)(?= errored)"
        r"|(?<=current branch )\S{1,200}|(?<=undefined: )\w{1,100}|(?<=KeyError: )\S{1,100}\Z"
        r"|(?<=src refspec )\S{1,200}|(?<=daemon: network )\S{1,200}"
        r"|(?<=No such container: )\S{1,200}"
        r"|(?<=between main and )\S{1,200}"
        r"|(?<=^tar: )\S{1,200}(?=: Cannot)"
        r"|(?<=on endpoint )\S{1,200}|(?<=for matching )\S{1,3}"
        r"|(?<=no matches found: )\S{1,200}|(?<=no such table: )\S{1,200}"
        r"|(?<=no such column: )\S{1,200}|(?<=invalid command code )\S|(?<=FAIL: )Test\w{1,100}"
        r"|(?<=when calling the )\w{1,100}(?= operation)|(?<=^test )\S{1,300}(?= \.\.\. )"
        r"|(?<=on project )[^\s:]{1,200}|(?<=for project )\S{1,200}|(?<=parse error near )\S{1,40}"
        r"|(?<=DID NOT RAISE )<class [^>]{1,120}>"
        r"|(?<=Error: )[A-Za-z_$][\w$]{0,80}(?= is not (?:defined|a function))"
    ),
    "addr": (
        r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.]*\d)|\blocalhost:\d{1,5}\b"
        r"|(?<![\w:])(?:\[::1\]|::1):\d{1,5}\b"
        r"|\b0x[0-9a-fA-F]{1,16}\b"
        # Where nothing is reached, it does not matter what was to be.
        r"|(?<=resolve host: )\S{1,200}|(?<=ENOTFOUND )\S{1,200}|(?<=EAI_AGAIN )\S{1,200}"
        r"|(?<=unable to fetch from )\S{1,200}|(?<=resolve hostname )[^\s:]{1,200}"
    ),
    "id": (
        r"(?<![0-9A-Za-z])(?=[a-f]{0,63}[0-9])(?=[0-9]{0,63}[a-f])[0-9a-f]{5,128}+(?![0-9A-Za-z])"
        r"|\b[a-z]{2,10}_(?=[A-Za-z]{0,40}[0-9])[0-9A-Za-z]{8,80}+\b"
        r""
        r"|(?<![\w/])(?=[A-Za-z_+=-]{0,64}[0-9])(?=[0-9a-z_+=-]{0,64}[A-Z])[\w+=-]{16,600}+(?![\w/])"
    ),
    "path": (
        r"(?<=\bFile )[A-Za-z]:\\[^\n'\"<>|]{1,200}?(?= cannot be loaded)"
        r"|(?<![\w/<])(?:~|\.{1,2}|\$\w{1,40}|\$\{\w{1,40}\})?(?:/"
        + _STEP
        + r"{1,255}+)+/?"
        + _PLACE
        + r"|(?<![\w/.])(?:~|\.{1,2})/"
        r"|(?<!\w)[A-Za-z]:[\\/](?:[^\s:'\"`<>|,;()]{1,255}+)"
        + _PLACE
        + r"|(?<![\w\\/.])\.{1,2}\\(?:[\w@.+-]{1,100}+\\){0,30}+[\w@.+-]{1,100}+"
        + _PLACE
        + r"|(?<![\w\\/.-])(?:[\w@.+-]{1,100}+\\){1,30}+[\w+-][\w.+-]{0,100}\."
        + rf"(?:{_EXTENSION}|{_OF_WINDOWS})\b(?!\.[A-Za-z])"
        + _PLACE
        + r"|(?<![\w/@.-])(?:[\w@.+-]{1,100}+/){2,30}+[\w@.+-]{0,100}+"
        + _PLACE
        + r"|(?<![\w/@.-])(?:[\w.+-]{1,100}/)?[\w+-][\w.+-]{0,100}\."
        + _EXTENSION
        + r"\b(?!\((?!\d))(?!\.[A-Za-z])"
        + _PLACE
    ),
    "ref": r"(?<=\] )\S{1,200} ?-> ?\S{1,200}",
    # One of many repositories, images or branches of its kind.
    "repo": (
        rf"(?<![\w/@.<:-])(?!(?:{_NO_REPO})/)[A-Za-z][\w.-]{{1,60}}/[A-Za-z][\w.-]{{1,100}}(?![\w/<])"
    ),
    "n": r"(?:(?<=[\s(=\[,:])-)?\d+(?:[.,_]\d+)*%?",
}
_VARYING = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in _FORMS.items()))
_REPEATED = re.compile(r"(<[a-z]{1,5}>)(?:[ ,;:/|.]{0,3}\1)+")

# One message in the words of several shells: ``bash: line 3: foo: command not found``,
# ``zsh:1: command not found: foo``, ``/bin/sh: 1: foo: not found``.
_SHELL = r"(?:(?:/\S{1,100}/)?(?:ba|z|da|k|a|fi)?sh|\(eval\)|-bash|-zsh|\S{1,200}\.sh)"
_SHELL_SAYS = re.compile(
    rf"{_SHELL}:(?: (?:-c|eval|command substitution):)?"
    r"(?: (?:line|[Zz]eile|ligne|línea|linha|riga|regel|строка))?"
    r"(?: ?(?P<builtin>[a-z]{2,10}):)? ?(?:\d{1,6}:)? ?(?P<rest>\S.*)"
)
_NOT_FOUND = re.compile(
    rf"(?:(?P<after>\S{{1,100}}?)[ \xa0]?: (?:{NO_PROGRAM})\.?"
    r"|(?:exec: )?(?P<sh>\S{1,100}): not found"
    r"|command not found: (?P<before>\S{1,100})"
    r"|[Uu]nknown command:? (?P<fish>\S{1,100})"
    r"|(?:\S{1,100} ?: )?The term ['\"](?P<powershell>[^\s'\"]{1,100})['\"] is not recognized"
    r" as .{1,300}"
    r"|['\"]?(?P<windows>[^\s'\"]{1,100})['\"]? is not recognized as .{1,200}"
    rf"|{WINDOWS_HAS_NO_PROGRAM}.{{0,200}}|{POWERSHELL_HAS_NO_PROGRAM}.{{0,400}})\Z"
)
# A program that starts another, and says that this is not there as if it were any file.
_NOT_STARTED = re.compile(
    r"(?:/\S{1,100}/)?(?:env|xargs|timeout|nohup|nice|ionice|setsid|stdbuf|time): "
    r"(?:(?:failed to |cannot |can't )(?:run command|run|execute|exec) )?"
    r"['\"`‘]?(?P<name>[\w.+@-]{1,60})['\"’]?: No such file or directory\Z"
    r"|(?:.{0,100} )?spawn(?:Sync)? (?P<spawned>[\w.+@-]{1,60}) ENOENT\Z"
    r"|(?:.{0,40}: )?Failed to spawn: `(?P<run>[\w.+@-]{1,60})`\Z"
)
_ZSH_TURNED = re.compile(
    r"(?P<builtin>cd: )?"
    r"(?P<what>no such file or directory|permission denied|not a directory|is a directory)"
    r": ?(?P<on>.{0,400})\Z"
)
# ``cat: my notes: No such file or directory``: what was asked for may contain blanks.
_ASKED_FOR = re.compile(
    r"(?<![\w/])(?P<program>[\w.-]{1,40}: )?(?!open: |interpreter: )"
    r"(?:[/~.$](?:(?!: )[^'\"<>]){0,300}|[^\s'\"<>]{1,200}): "
    r"(?P<what>No such file or directory|Permission denied|Not a directory|Is a directory"
    rf"|{NO_FILE}|{NO_PERMISSION})\Z"
)
_HEADER_MISSING = "fatal error: "
_PROGRAM = re.compile(r"[\w.+@-]{1,60}\Z")
_PREFIX = re.compile(
    r"(?:(?:[Ee]rror|ERROR|E|Uncaught exception|Tool error|(?i:output|stderr|stdout))(?::| {2,})"
    r"|error (?=Command \")"
    r"|Exit code \d{1,3}:|@?[\w./-]{1,80}:(?:build|lint|test|check|type-?check|tsc)(?::\w{1,20})?:"
    r"|Uncaught(?: \(in promise\))?) ?(?=\S)"
)


# What was asked or written, behind what says that it failed.
_TAIL = re.compile(
    r"(?P<kept>\btimed out after <time>|\bexpected lines in <path>|\bregex parse error"
    r"|\brequires approval|\bNo replacement was performed, old_str"
    r"|\bcannot use(?= .{1,200} \((?:variable|value|constant|untyped|type))"
    r"|\bPermission to use \w{1,40} with command [\w./-]{1,60}"
    r"|\bReason: \[[\w /-]{1,60}\])[: ].*?(?P<end> has been denied|\Z)"
)


def without_what_varies(line: str) -> str:
    """The line with a placeholder for everything that differs from one time to the next."""
    while (prefix := _PREFIX.match(line)) is not None:
        line = line[prefix.end() :]
    line = line.replace("npm ERR!", "npm error")
    program, line = _in_one_shells_words(line)
    line = " ".join(_VARYING.sub(_placeholder, line).split())
    return program + _TAIL.sub(_without_tail, _REPEATED.sub(r"\1", line))


def _in_one_shells_words(line: str) -> tuple[str, str]:
    """A program that is absent, as it is to stay; and the rest of the line."""
    says = _SHELL_SAYS.match(line)
    builtin = f"{says['builtin']}: " if says and says["builtin"] else ""
    rest = says["rest"] if says else line
    not_started = _NOT_STARTED.match(rest)
    if not_started is not None:
        name = next(filter(None, not_started.groups()))
        return f"{name}: command not found", ""
    absent = _NOT_FOUND.match(rest) or _NOT_FOUND.match(f"{builtin}{rest}")
    if absent is not None and (says or not (absent["sh"] or absent["fish"])):
        name = next(name for name in absent.groups() if name).strip("'\"`").rpartition("/")[2]
        if _PROGRAM.match(name):
            return f"{name}: command not found", ""
    turned = _ZSH_TURNED.match(rest)
    if turned is not None and (says or turned["builtin"]):
        builtin = turned["builtin"] or builtin
        on = "<path>: " if turned["on"] else ""
        return "", f"{builtin}{on}{turned['what'].capitalize()}"
    line = f"{builtin}{rest}"
    if _HEADER_MISSING in line:
        return "", line
    return "", _ASKED_FOR.sub(r"\g<program><path>: \g<what>", line)


def _without_tail(match: re.Match[str]) -> str:
    return f"{match['kept']} <str>{match['end']}" if match["end"] else match["kept"]


def _placeholder(match: re.Match[str]) -> str:
    kind, text = match.lastgroup, match[0]
    if kind == "kept":
        return text
    if kind == "uuid":
        return "<id>"
    if kind == "url":
        return _host(text)
    after = text[len(text.rstrip(" .")) :]  # a path may end a sentence, a duration a word
    return f"<{kind}>{after}"


def _host(url: str) -> str:
    """A host's name tells with whom it was spoken; its port and what was asked do not."""
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    if any(c.isdigit() for c in host) or not re.fullmatch(r"[A-Za-z.-]{1,80}", host):
        return "<url>"
    return f"<url> of {host}"
