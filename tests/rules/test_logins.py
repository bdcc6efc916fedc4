"""PAM, SASL, Kerberos, LDAP and PKCS #11: configurations that name modules, read within bounds."""

from __future__ import annotations

from needed.rules.catalogue.pam import parse_service
from tests.rules.asking import Files, ask, opened, taken, told
from tests.rules.trees import library, program

SECURITY = "/lib64/security"
SU: Files = {
    "/bin/su": program("pam_start", needed=("libpam.so.0", "libc.so.6")),
    "/lib64/libpam.so.0": library("libpam.so.0", "dlopen"),
    "/etc/pam.d/su": b"auth sufficient pam_rootok.so\n@include common\nsession optional pam_systemd.so\n",
    "/etc/pam.d/su-l": b"auth include su\nsession optional pam_limits.so\n",
    "/etc/pam.d/common": b"auth [success=1 default=ignore] pam_unix.so nullok\n@include common\n",
    "/etc/pam.d/sshd": b"auth required pam_deny.so\n",
    "/etc/security/limits.conf": b"",
    "/etc/security/limits.d/x.conf": b"",
    "/etc/security/time.conf": b"",
    **{
        f"{SECURITY}/pam_{name}.so": library(f"pam_{name}.so")
        for name in ("rootok", "unix", "limits", "systemd", "deny")
    },
}
SASL: Files = {
    "/bin/app": program("sasl_client_init", needed=("libsasl2.so.2",)),
    "/lib64/libsasl2.so.2": library("libsasl2.so.2", "dlopen"),
    "/lib64/sasl2/libplain.so": library("libplain.so"),
    "/lib64/sasl2/libsasldb.so": library("libsasldb.so", needed=("libdb.so.5",)),
    "/lib64/libdb.so.5": library("libdb.so.5"),
    "/etc/sasl2/app.conf": b"",
}
KERBEROS: Files = {
    "/bin/app": program(needed=("libgssapi_krb5.so.2",)),
    "/lib64/libgssapi_krb5.so.2": library("libgssapi_krb5.so.2", needed=("libkrb5.so.3",)),
    "/lib64/libkrb5.so.3": library("libkrb5.so.3"),
    "/lib64/krb5/plugins/preauth/spake.so": library("spake.so"),
}


def test_a_service_of_pam_brings_what_it_includes_and_its_modules() -> None:
    found = ask(SU, "/bin/su")
    files = {"/etc/pam.d/su", "/etc/pam.d/su-l", "/etc/pam.d/common"}
    files |= {"/etc/security/limits.conf", "/etc/security/limits.d/x.conf"}
    assert taken(found, "pam").keys() == files
    assert opened(found, "pam") == {f"{SECURITY}/pam_{name}.so" for name in ("rootok", "unix", "limits")}


def test_that_no_password_opens_anything_is_told() -> None:
    assert told(ask(SU, "/bin/su"), "pam") == [
        "no password opens anything: /etc/shadow is a secret, and no rule takes it"
    ]


def test_another_service_of_pam_is_taken_by_its_name() -> None:
    assert f"{SECURITY}/pam_deny.so" in opened(ask(SU, "/bin/su", values=(("pam", "sshd"),)), "pam")


def test_lines_of_pam_are_read_as_pam_reads_them() -> None:
    text = "# c\nauth [a=1 b = 2 ] pam_a.so x\n-session optional pam_b.so # y\nauth substack c\n@include d\n"
    text += "auth required \\\n pam_e.so\nauth\nauth [a=1\n"
    assert [*parse_service(text)] == [("", "pam_a.so"), ("", "pam_b.so"), ("c", ""), ("d", ""), ("", "pam_e.so")]


def test_a_program_with_sasl_gets_mechanisms_that_need_nothing() -> None:
    found = ask(SASL)
    assert opened(found, "sasl") == {"/lib64/sasl2/libplain.so"}
    assert taken(found, "sasl") == {"/etc/sasl2/app.conf": None}


def test_sasl_that_only_came_with_ldap_gets_nothing_unless_it_is_named() -> None:
    files = {
        **SASL,
        "/bin/app": program(needed=("libldap.so.2",)),
        "/lib64/libldap.so.2": library("libldap.so.2", "sasl_client_init", needed=("libsasl2.so.2",)),
        "/etc/openldap/ldap.conf": b"",
    }
    found = ask(files)
    assert (opened(found, "sasl"), taken(found, "ldap")) == (set(), {"/etc/openldap/ldap.conf": None})
    assert opened(ask(files, values=(("sasl", "sasldb"),)), "sasl") == {"/lib64/sasl2/libsasldb.so"}


def test_all_mechanisms_of_sasl_and_one_that_is_not_there() -> None:
    assert len(opened(ask(SASL, values=(("sasl", "all"),)), "sasl")) == 2
    assert told(ask(SASL, values=(("sasl", "otp"),)), "sasl") == ["/lib64/sasl2 has no plugin libotp.so"]


def test_kerberos_that_nobody_configured_costs_nothing() -> None:
    found = ask(KERBEROS)
    assert (taken(found, "kerberos"), opened(found, "kerberos")) == ({}, set())


def test_kerberos_that_is_configured_has_its_files_plugins_and_mechanisms() -> None:
    files: Files = {
        "/etc/krb5.conf": b"includedir /etc/krb5.conf.d/\ninclude /etc/more\n[libdefaults]\n",
        "/etc/krb5.conf.d/realm": b"includedir /etc/krb5.conf.d\n",
        "/etc/gss/mech.d/ntlm.conf": b"# x\nntlm 1.3.6.1 /lib64/gss/ntlm.so\n",
        "/lib64/gss/ntlm.so": library("ntlm.so"),
    }
    found = ask({**KERBEROS, **files})
    assert taken(found, "kerberos").keys() == {*files} - {"/lib64/gss/ntlm.so"}
    assert opened(found, "kerberos") == {"/lib64/gss/ntlm.so", "/lib64/krb5/plugins/preauth/spake.so"}


def test_the_plugins_of_kerberos_can_be_asked_for() -> None:
    found = ask(KERBEROS, values=(("kerberos", "plugins"),))
    assert opened(found, "kerberos") == {"/lib64/krb5/plugins/preauth/spake.so"}


def test_modules_of_p11_kit_come_with_the_trust_that_they_read() -> None:
    files = {
        "/bin/app": program(needed=("libp11-kit.so.0",)),
        "/lib64/libp11-kit.so.0": library("libp11-kit.so.0", "dlopen"),
        "/lib64/pkcs11/p11-kit-trust.so": library("p11-kit-trust.so"),
        "/usr/share/p11-kit/modules/p11-kit-trust.module": b"# x\nmodule: p11-kit-trust.so\ntrust-policy: yes\n",
        "/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit": b"",
    }
    found = ask(files)
    assert opened(found, "p11-kit") == {"/lib64/pkcs11/p11-kit-trust.so"}
    assert taken(found, "p11-kit").keys() == {path for path in files if path.startswith("/usr/share/p")}


def test_the_trust_of_p11_kit_is_left_out_where_gnutls_has_a_bundle_compiled_in() -> None:
    module = "/lib64/pkcs11/p11-kit-trust.so"
    gnutls = library("libgnutls.so.30", needed=("libp11-kit.so.0",))
    files: Files = {
        "/bin/app": program(needed=("libgnutls.so.30",)),
        "/lib64/libgnutls.so.30": gnutls + b"\0/etc/ssl/certs/ca-certificates.crt\0",
        "/lib64/libp11-kit.so.0": library("libp11-kit.so.0", "dlopen"),
        module: library("p11-kit-trust.so"),
        "/lib64/pkcs11/card.so": library("card.so"),
        "/usr/share/p11-kit/modules/p11-kit-trust.module": b"module: p11-kit-trust.so\n",
        "/etc/pkcs11/modules/card.module": b"module: card.so\n",
    }
    found = ask(files)
    assert opened(found, "p11-kit") == {"/lib64/pkcs11/card.so"}
    assert taken(found, "p11-kit").keys() == {"/etc/pkcs11/modules/card.module"}
    assert module in opened(ask({**files, "/lib64/libgnutls.so.30": gnutls}), "p11-kit")


def test_libmagic_gets_its_database_and_its_lack_is_told() -> None:
    files: Files = {"/bin/app": program(needed=("libmagic.so.1",)), "/lib64/libmagic.so.1": library("libmagic.so.1")}
    database: Files = {"/usr/share/misc/magic.mgc": "-> /usr/lib/file/magic.mgc", "/usr/lib/file/magic.mgc": b""}
    assert taken(ask({**files, **database}), "magic") == {"/usr/share/misc/magic.mgc": None}
    assert told(ask(files), "magic") == ["/lib64/libmagic.so.1: the root has no magic.mgc"]
