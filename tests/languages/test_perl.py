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


def test_a_comment_neither_ends_a_statement_nor_opens_a_here_document() -> None:
    assert found("use base qw(One # yes; it is\n  Two);") == ["base", "One", "Two"]
    assert found("1; # <<END\nuse Still::Code;\nEND\n") == ["Still::Code"]


def test_lines_are_counted_from_one_and_the_last_needs_no_end() -> None:
    assert [item.line for item in find_modules("use One;\n=pod\n\n=cut\n'Two::X'; require Three")] == [1, 5, 5]


def test_pod_and_here_documents_that_do_not_end_are_the_rest_or_nothing() -> None:
    assert found("use One;\n\n=head1 END\n\nuse Two;") == ["One"]
    assert found("print <<END;\nuse One;\nEND") == []


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
    assert found("use Encode; encode('KOI8-R', decode('Big5', $x));", "encoding") == ["Encode::Byte", "Encode::TW"]
    assert found("use Encode; # gbk\nencode('hzx', $x);", "encoding") == []
    assert found("# Encode knows it\nmy $name = 'gbk';", "encoding") == []
    assert find_modules("\u0130" * 99 + "\nEncode::decode('GBK', 1)") == (Wanted("encoding", "Encode::CN", 2),)
    assert find_modules("1;\nEncode::decode('UTF-16', $x);\n# gbk\n'euc-kr';\n") == (
        Wanted("encoding", "Encode::Unicode", 2),
        Wanted("encoding", "Encode::KR", 4),
    )


def test_words_stand_in_quotes_in_qw_of_any_kind_and_bare_behind_a_condition() -> None:
    assert found("use parent qw|A::B C|, \"D\", qw[E], 'F';") == ["parent", "A::B", "C", "D", "E", "F"]
    assert found("use base (qw{A::B}, 'no name', 'x');") == ["base", "A::B", "x"]
    assert found("use if $^O eq 'VMS', VMS::Stdio => qw(fgetname);")[:2] == ["if", "VMS"]
    assert "VMS::Stdio" in found("use if $^O eq 'VMS', VMS::Stdio => qw(fgetname);")


def test_a_long_list_of_modules_is_read_to_its_end() -> None:
    names = [f"Module{number}::Of::A::List" for number in range(80)]
    assert found(f"use base qw(\n{chr(10).join(names)}\n);\nuse After;") == ["base", *names, "After"]
    assert found("use base qw(A);" * 400 + "use After;") == ["base", "A", "After"]


def test_a_plugin_with_a_computed_name_is_one_of_a_folder() -> None:
    assert found('require "Image/ExifTool/$module.pm";', "one of") == ["Image/ExifTool"]
    assert found('require "Image/ExifTool/${module}.pm";', "one of") == ["Image/ExifTool"]
    assert found('require "$folder/$module.pm";', "computed") == ['require "$folder/$module.pm"']
    assert found("do $file; do 'a.pl'; do{1}; document('b.pl');") == ["a.pl"]


def test_names_in_quotes_are_mentions_and_comments_are_passed_over() -> None:
    source = "# 'A::B'\nmy %of = (x => 'A::B', y => \"C::D1\", z => 'not::one', 'E::' => 'F::G h');\n"
    assert find_modules(source) == (Wanted("mention", "A::B", 2), Wanted("mention", "C::D1", 2))


def test_a_module_stands_in_a_folder_for_each_part() -> None:
    assert module_file("JSON::PP") == "JSON/PP.pm"


def test_hostile_sources_end() -> None:
    for source in ("use lib " * 50_000, "<<A" * 200_000, "\n=x" * 100_000, "'A::" * 200_000, "use base qw(" * 5_000,
                   "Encode gb" * 100_000, "<<A #" * 100_000, "\nA\n<<A" * 90_000, "use x; #\n" * 90_000,
                   "use x # ;" * 90_000, "(use x " * 150_000, "(use x; 'A::B'" * 70_000,
                   " ".join(f"'A::B{number}'" for number in range(90_000)), "<<" * 500_000,
                   "".join(f"<<A{number}\n" for number in range(100_000)), "Encode sjis" * 90_000,
                   "if (1) { use if 'x'" * 50_000, "use X #\n" * 130_000, "qw(" * 300_000):  # fmt: skip
        find_modules(source)
