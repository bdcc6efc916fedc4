"""What a Perl source asks for, outside of POD, comments, here-documents and what follows its end."""

from __future__ import annotations

import pytest

from needed.languages.perl import BIN, Wanted, find_modules, module_file


def found(source: str, kind: str = "") -> list[str]:
    return [item.name for item in find_modules(source) if not kind or item.kind == kind]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("use JSON::PP;", ["JSON::PP"]),
        ("use POSIX qw(floor); use File'Temp ();", ["POSIX", "File::Temp"]),
        ("eval { require Some::Thing; 1 } or die", ["Some::Thing"]),
        ("if ($x) { no strict 'refs'; }", ["strict"]),
        ("use parent -norequire, 'My::Base';", ["parent", "My::Base"]),
        ("use base qw(One::A\n  Two);", ["base", "One::A", "Two"]),
        ("use if $] < 5.02, 'Old::Thing' => 1;", ["if", "Old::Thing"]),
        ("use v5.36;", ["feature", "strict", "warnings"]),
        ("#!/usr/bin/perl -w -MList::Util=sum\n1;", ["List::Util"]),
        ("XSLoader::load('Digest::MD5', $VERSION);", ["Digest::MD5"]),
        ('open(my $in, "<:encoding(UTF-8)", $path);', ["PerlIO::encoding"]),
        ('print "\\N{GREEK SMALL LETTER ALPHA}";', ["_charnames"]),
        ('print "\\N{U+3b1}";', []),
        ("$user->use; my %use = (use => 1);", []),
        ("use_ok('x'); require_it();", []),
    ],
)
def test_modules_are_found_where_a_statement_begins(source: str, names: list[str]) -> None:
    kinds = {"use", "require"}
    assert list(dict.fromkeys(item.name for item in find_modules(source) if item.kind in kinds)) == names


@pytest.mark.parametrize(
    "source",
    [
        "# use Not::This;",
        "1; # use Not::This;",
        "=head1 NAME\n\nuse Not::This;\n\n=cut\n",
        "print <<'END';\nuse Not::This;\nEND\n",
        "print <<~END;\n  use Not::This;\n  END\n",
        "1;\n__END__\nuse Not::This;\n",
        "1;\n__DATA__\nuse Not::This;\n",
    ],
)
def test_text_is_no_code(source: str) -> None:
    assert found(source) == []


def test_a_shift_is_no_here_document() -> None:
    assert found("my $x = 1 <<FLAG;\nuse After::It;") == ["After::It"]


def test_code_goes_on_after_a_here_document_and_after_pod() -> None:
    source = "print <<A, <<B;\nuse X;\nA\nuse Y;\nB\nuse Z::A;\n\n=pod\n\nuse Q;\n\n=cut\n\nuse Z::B;"
    assert found(source) == ["Z::A", "Z::B"]


def test_folders_may_stand_beside_the_script() -> None:
    assert found('use lib "$FindBin::Bin/../lib";', "folder") == [f"{BIN}/../lib"]
    assert found("use lib $Bin . '/lib';", "folder") == [f"{BIN}/lib"]
    assert found("use lib qw(/opt/lib inc);", "folder") == ["/opt/lib", "inc"]


def test_files_are_found_and_computed_names_are_told() -> None:
    assert find_modules("\nrequire 'old.pl'; do \"$Bin/x.pl\";\nrequire $name;") == (
        Wanted("file", "old.pl", 2),
        Wanted("file", f"{BIN}/x.pl", 2),
        Wanted("computed", "require $name", 3),
    )


def test_an_encoding_that_is_named_has_a_module() -> None:
    assert found("use Encode; encode('shiftjis', $x);", "encoding") == ["Encode::JP"]


def test_a_module_stands_in_a_folder_for_each_part() -> None:
    assert module_file("JSON::PP") == "JSON/PP.pm"


def test_hostile_sources_end() -> None:
    for source in ("use lib " * 50_000, "<<A" * 200_000, "\n=x" * 100_000, "'A::" * 200_000, "use base qw(" * 5_000):
        find_modules(source)
