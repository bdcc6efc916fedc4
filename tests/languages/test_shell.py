"""What a shell script asks for: each rule on a few lines, then entrypoints as users write them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from needed.languages.builtins import BUILTINS, shell_of
from needed.languages.shell import MAX_COMMANDS, MAX_TEXT, ShellCommands, parse_shell


def names(text: str, shell: str = "sh") -> list[str]:
    return sorted(command.name for command in parse(text, shell).commands)


def parse(text: str, shell: str = "sh") -> ShellCommands:
    found = parse_shell(text.encode(), shell)
    assert [problem.what for problem in found.problems] == []
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mkdir -p /x\n", "mkdir"),
        ("cat a | sort | uniq -c\n", "cat sort uniq"),
        ("a && b || { c; } & (d; e)\n", "a b c d e"),
        ("x=$(id -u) y=`date`\n", "date id"),
        ("echo \"$(stat -c %u /x)\" $((1 + $(nproc)))\n", "nproc stat"),
        ("echo `basename \\`readlink x\\``\n", "basename readlink"),
        ("if grep -q x y; then a; elif ! b; then c; else d; fi\n", "a b c d grep"),
        ("while sleep 1; do a; done; for x in $(ls); do b; done; until c; do :; done\n", "a b c ls sleep"),
        ("case $(uname) in Linux) a;; *) b;; esac\n", "a b uname"),
        ("cat <<EOF\n$(hostname) `whoami`\nmv\nEOF\n", "cat hostname whoami"),
        ("cat <<'EOF'\n$(hostname) `whoami`\nEOF\n", "cat"),
        ("cat <<'EOF'; mkdir x\nhello\nEOF\nls\n", "cat ls mkdir"),
        ("cat <<EOF 2>&1 | tail -5\nx\nEOF\n", "cat tail"),
        ("X=1 Y=2 cmd a; >out other\n", "cmd other"),
        ("'mk'dir x; \\ls; \"c\"p a b\n", "cp ls mkdir"),
        ("/usr/bin/foo a; ./bar\n", "./bar /usr/bin/foo"),
        ("trap 'rm -f x' EXIT; trap - INT; trap '' HUP\n", "rm"),
        ("eval 'sed q' \"$x\"; eval \"cp $a b\"\n", "cp sed"),
        ("sh -ec 'cp a b'; su - postgres -c \"psql -l\"\n", "cp psql sh su"),
        ("local a=$(wc -l); export B=$(tr a b)\n", "tr wc"),
    ],
)
def test_a_command_is_found_wherever_it_stands(text: str, expected: str) -> None:
    assert names(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exec nginx -g x", "nginx"),
        ("exec >/dev/null 2>&1", ""),
        ("command ls; command -v git", "ls"),
        ("X=1 env -i -u Y FOO=bar timeout -s KILL 5 nice -n 5 cmd a", "cmd env nice timeout"),
        ("env -S'perl -w' x", "env perl"),
        ("nohup stdbuf -oL ionice -c 3 cmd", "cmd ionice nohup stdbuf"),
        ("find . -name mv -exec chown x '{}' + -o -exec chmod 1 {} \\;", "chmod chown find"),
        ("find . -print0 | xargs -0 -n 1 rm -f", "find rm xargs"),
        ("sudo -u root FOO=1 id; gosu postgres initdb; su-exec a:b c", "c gosu id initdb su-exec sudo"),
        ("setpriv --reuid=1 --regid 1 --clear-groups cmd; chroot --userspec=a:b /x cmd2", "chroot cmd cmd2 setpriv"),
        ("flock /l -c 'touch a'; flock -w 3 9 rsync; flock 9", "flock rsync touch"),
        ("start-stop-daemon --start --exec /usr/sbin/x -- --exec y", "/usr/sbin/x start-stop-daemon"),
        ("tini -g -- a; dumb-init -- b", "a b dumb-init tini"),
        ("xargs echo; exec echo; command echo; echo", "echo xargs"),
        ("busybox wget x", "busybox"),
    ],
)
def test_a_command_that_starts_one_leads_to_it(text: str, expected: str) -> None:
    if text.startswith("busybox"):
        assert names(text) == ["busybox", "wget"]
    else:
        assert names(text) == expected.split()


def test_functions_builtins_keywords_and_aliases_are_no_commands() -> None:
    text = "f() { a; }\nfunction g { f; }\nf; g; cd /; [ -x /y ]; echo; test 1; printf x; ! true\n"
    assert names(text, "bash") == ["a"]
    assert names("alias ll='ls -l' rm='rm -i'\nll; rm x\n") == ["ls", "rm"]
    assert names("ls() { command ls -l; }\nls\n") == ["ls"]  # which goes past the function


def test_what_is_a_builtin_depends_on_the_shell() -> None:
    assert names("source x; [[ a ]]; local y; time z\n", "bash") == ["z"]
    assert names("source x; time z\n", "dash") == ["source", "time", "z"]
    assert names("printf x\n", "mksh") == ["printf"]


def test_what_only_a_run_knows_is_told_with_what_is_known() -> None:
    found = parse('CMD=mkdir\n$CMD a\n"${x:-mv}" b\nexec "$@"\neval "$y"\n. "$HOME/z"\nexec gosu me "$0"\n')
    assert [(item.word, item.line.number, item.known) for item in found.unknown] == [
        ("$CMD", 2, ("mkdir",)), ('"${x:-mv}"', 3, ("mv",)), ('"$@"', 4, ()), ('. "$HOME/z"', 6, ()), ('"$0"', 7, ()),
        ("$y", 5, ()),
    ]  # fmt: skip
    assert found.unknown[2].line.text == 'exec "$@"'


def test_sourced_files_tested_files_and_path_are_told() -> None:
    found = parse(". /lib/init\n[ -r /etc/default/x ] && sh /opt/run.sh < /in\nPATH=/opt/bin:$PATH\nexport PATH=/z\n")
    assert [item.what for item in found.sourced] == ["/lib/init"]
    assert sorted(item.what for item in found.files) == ["/etc/default/x", "/in", "/opt/run.sh"]
    assert [(item.what, item.line.number) for item in found.paths] == [("/opt/bin:$PATH", 3), ("/z", 4)]


def test_the_line_is_the_reason() -> None:
    command = parse("#!/bin/sh\nset -e\n\n  mkdir -p \"$X\"   # why\n").commands[0]
    assert (command.line.number, command.line.text) == (4, 'mkdir -p "$X"   # why')


def test_what_is_not_understood_is_told_and_the_rest_is_read() -> None:
    found = parse_shell(b"mkdir x\nif true; then\n", "sh")
    assert [command.name for command in found.commands] == ["mkdir"]
    assert "was not understood" in found.problems[0].what


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"ls\r\nmv\r\n", "CR LF"), (b"ls\n\0\1", "NUL"), (b"#" * (MAX_TEXT + 1), "larger than"),
        (b"a|" * 200_000, "too tangled"), (b"eval eval x;" * 20_000, ""),
        (b"\n".join(b"c%d" % number for number in range(MAX_COMMANDS + 1)), "more than 10000"),
        (b"(" * 200_000, "line 1 was not"), (b"$(" * 100_000, "line 1 was not"), (b"`" * 300_001, "line 1 was not"),
        (b"cat <<A$(\n" * 5_000, "not understood"), (b"a $(" * 50_000 + b")" * 50_000, ""),
    ],
    ids=lambda item: repr(item[:12]),
)  # fmt: skip
def test_no_text_takes_long_or_raises(text: bytes, why: str) -> None:
    found = parse_shell(text, "sh")
    assert len(found.commands) <= MAX_COMMANDS
    assert why in " ".join(problem.what for problem in found.problems)


def test_the_shell_is_known_by_its_name() -> None:
    paths = {"/usr/bin/dash": "dash", "/bin/bash5.2": "bash", "/bin/busybox": "ash", "/bin/ksh93": "ksh",
             "/bin/zsh-5.9": "zsh", "/bin/mksh": "mksh", "/bin/sh": "sh", "/usr/bin/python3": None}  # fmt: skip
    assert {path: shell_of(path) for path in paths} == paths


def test_bash_says_the_same_of_its_builtins() -> None:
    said = subprocess.run(["bash", "-c", "compgen -b"], capture_output=True, text=True, check=True).stdout.split()
    assert BUILTINS["bash"] == frozenset(said)


def test_the_shells_that_are_here_say_the_same_of_their_builtins() -> None:
    commands = {"bash": ["bash"], "dash": ["dash"], "ash": ["busybox", "ash"]}
    here = {shell: command for shell, command in commands.items() if shutil.which(command[0])}
    every = sorted(frozenset[str]().union(*BUILTINS.values()))
    asks = 'for name; do case $(type "$name" 2>/dev/null) in *"is a "*builtin*) echo "$name";; esac; done'
    for shell, command in here.items():
        said = subprocess.run([*command, "-c", asks, "sh", *every], capture_output=True, text=True, check=True).stdout
        assert sorted(said.split()) == sorted(BUILTINS[shell]), shell
    assert "bash" in here


POSTGRES = r"""#!/usr/bin/env bash
set -Eeo pipefail
file_env() {
	local var="$1"
	if [ "${!var:-}" ]; then val="${!var}"; elif [ "${FILE:-}" ]; then val="$(< "$FILE")"; fi
	export "$var"="$val"
}
docker_create_db_directories() {
	local user; user="$(id -u)"
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	if [ "$user" = '0' ]; then
		find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
	fi
}
docker_init_database_dir() {
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$PASSWORD") '"$POSTGRES_INITDB_ARGS"' "$@"'
	rm -f "$NSS_WRAPPER_PASSWD"
}
docker_process_init_files() {
	for f; do
		case "$f" in
			*.sh) if [ -x "$f" ]; then "$f"; else . "$f"; fi ;;
			*.sql.gz) gunzip -c "$f" | docker_process_sql; printf '\n' ;;
			*.sql.zst) zstd -dc "$f" | docker_process_sql ;;
		esac
	done
}
docker_process_sql() { local query_runner=( psql -v ON_ERROR_STOP=1 ); "${query_runner[@]}" "$@"; }
_main() {
	if [ "${1:0:1}" = '-' ]; then set -- postgres "$@"; fi
	docker_create_db_directories
	if [ "$(id -u)" = '0' ]; then exec gosu postgres "$BASH_SOURCE" "$@"; fi
	cat <<-'EOM' >&2
		Error: Database is `uninitialized` $(not run)
	EOM
	docker_init_database_dir; docker_process_init_files /docker-entrypoint-initdb.d/*
	exec "$@"
}
if ! _is_sourced; then _main "$@"; fi
"""
REDIS = r"""#!/bin/sh
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
	set -- redis-server "$@"
fi
if [ "$1" = 'redis-server' -a "$(id -u)" = '0' ]; then
	find . \! -user redis -exec chown redis '{}' +
	exec setpriv --reuid=redis --regid=redis --clear-groups -- "$0" "$@"
fi
um="$(umask)"
if [ "$um" = '0022' ]; then umask 0077; fi
exec "$@"
"""


def test_an_entrypoint_like_that_of_postgres() -> None:
    found = parse(POSTGRES, "bash")
    assert {command.name for command in found.commands} == {
        "id", "mkdir", "chmod", "find", "chown", "initdb", "rm", "gunzip", "zstd", "gosu", "cat", "_is_sourced",
    }  # fmt: skip
    assert {item.word for item in found.unknown} == {
        '"$f"', '. "$f"', '"${query_runner[@]}"', '"$BASH_SOURCE"', '"$@"',
    }  # fmt: skip


def test_an_entrypoint_like_that_of_redis() -> None:
    found = parse(REDIS)
    assert [command.name for command in found.commands] == ["id", "find", "chown", "setpriv"]
    assert {item.word for item in found.unknown} == {'"$0"', '"$@"'}
