# SPDX-License-Identifier: MIT
"""libhookkeep as it is installed: what it exports and needs, and programs that are built with it.

    library.py SOURCE BUILD SANITIZE CC...

Everything is built outside of the tree, against the package in a temporary prefix. SANITIZE is
none, or what the build is watched by; CC the build's compiler. Output is TAP.
"""
import glob
import hashlib
import hmac
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE, BUILD, SANITIZE, *CC = sys.argv[1:]
SANITIZED = SANITIZE != "none"
STRICT = ["-std=c89", "-pedantic", "-Wall", "-Wextra", "-Werror"]
SECRET = "whsec_test_secret"

# All that the library may call: nothing here prints, waits, reads a clock, a file or the
# environment, starts anything or ends the process, but for the compiler's own guard of the stack.
MAY_CALL = """malloc realloc free memchr memcmp bcmp memcpy memmove memmem memset strchr strlen
    explicit_bzero SHA256_Init SHA256_Update SHA256_Final yyjson_read_opts __stack_chk_fail
    _GLOBAL_OFFSET_TABLE_""".split()
FORTIFIED = re.compile(r"^__(\w+)_chk$")
OF_THE_LINKER = {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__cxa_finalize",
                 "__gmon_start__"}


class Skipped(Exception):
    """Why a check could not be made here."""


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}"
                             f"{done.stdout}")
    return done.stdout


def one(pattern):
    found = glob.glob(os.path.join(ROOT, pattern), recursive=True)
    assert len(found) == 1, f"{pattern} stands for {found}"
    return found[0]


def config(*words):
    """What pkg-config says of the installed package."""
    return run(["pkg-config", f"--define-variable=prefix={PREFIX}", *words, "hookkeep"],
               env={**os.environ, "PKG_CONFIG_PATH": os.path.dirname(one("**/hookkeep.pc"))}
               ).split()


def compile_c(source, *more, strict=STRICT):
    """Builds a program of the source and returns its path."""
    program = os.path.join(WORK, os.path.basename(source) + str(len(os.listdir(WORK))))
    watched = [f"-fsanitize={SANITIZE}"] if SANITIZED else []
    run([*CC, *strict, *watched, "-o", program, shutil.copy(source, WORK), *more], cwd=WORK)
    return program


def declared():
    """The functions that the library's headers promise."""
    names = set()
    for header in "signature.h", "event.h":
        with open(one("**/include/hookkeep/" + header), encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/|^#.*?$", "", f.read(), flags=re.S | re.M)
        names |= set(re.findall(r"\b(hk_\w+)\(", text))
    assert len(names) > 10, names
    return names


def symbols(*command):
    """(kind, name) of each symbol that nm shows."""
    rows = [line.split() for line in run(["nm", *command]).splitlines()]
    return [(row[-2], row[-1].split("@")[0]) for row in rows if len(row) >= 2]


def of_the_sanitizer(name):
    return SANITIZED and re.match(r"_{1,3}(asan|ubsan|tsan|lsan|msan|sanitizer|odr_asan)|asan\.",
                                  name)


# --- the checks

def everything_is_installed():
    headers = os.listdir(os.path.join(SOURCE, "include/hookkeep"))
    assert sorted(headers) == sorted(os.listdir(one("**/include/hookkeep"))), headers
    shared = one("**/libhookkeep.so")
    version = config("--modversion")[0]
    assert os.path.realpath(shared).endswith("libhookkeep.so." + version), os.path.realpath(shared)
    assert "[libhookkeep.so.0]" in run(["readelf", "-d", shared])
    assert os.path.exists(shared + ".0")
    one("**/libhookkeep.a")
    if shutil.which("scdoc"):
        one("**/man3/libhookkeep.3")


def the_shared_library_exports_what_is_declared():
    names = {n for _, n in symbols("-D", "--defined-only", one("**/libhookkeep.so"))}
    names = {n for n in names if not of_the_sanitizer(n)}
    assert names == declared(), names ^ declared()
    assert all(n.startswith("hk_") for n in names), names


def the_static_library_has_nothing_else_for_everybody():
    names = {n for _, n in symbols("-g", "--defined-only", one("**/libhookkeep.a"))}
    names = {n for n in names if not of_the_sanitizer(n)}
    assert names == declared(), names ^ declared()


def it_calls_nothing_that_would_disturb_its_host():
    for symbols_of in ["-D", one("**/libhookkeep.so")], ["-g", one("**/libhookkeep.a")]:
        for kind, name in symbols("--undefined-only", *symbols_of):
            plain = FORTIFIED.sub(r"\1", name)
            if kind == "w" and name in OF_THE_LINKER or of_the_sanitizer(name):
                continue
            assert plain in MAY_CALL or name in MAY_CALL, f"{name} is called"


def it_keeps_nothing_between_two_calls():
    if SANITIZED:
        raise Skipped("the sanitizer has data of its own")
    sections = re.findall(r"^ *\[ *\d+\] (\.t?(?:data|bss)\S*) +\w+ +\w+ \w+ (\w+)",
                          run(["readelf", "-SW", one("**/libhookkeep.a")]), re.M)
    assert sections, "readelf shows no section"
    kept = [name for name, size in sections
            if int(size, 16) > 0 and not name.startswith(".data.rel.ro")]
    assert not kept, kept


def each_header_compiles_alone():
    tried = 0
    for header in glob.glob(one("**/include/hookkeep") + "/*.h"):
        name = f"#include <hookkeep/{os.path.basename(header)}>\n"
        for compiler, mode in [("gcc", ["-xc", "-std=c89"]), ("clang", ["-xc", "-std=c89"]),
                               ("gcc", ["-xc", "-std=c17"]), ("g++", ["-xc++", "-std=c++98"]),
                               ("clang", ["-xc++", "-std=c++98"]),
                               ("clang", ["-xc++", "-std=c++17"])]:
            if not shutil.which(compiler):
                continue
            run([compiler, *mode, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                 *config("--cflags"), "-"], input=name + name + "int main(void) { return 0; }\n")
            tried += 1
    assert tried > 0, "there is no compiler"


def the_initializers_are_c89_and_cpp():
    source = """#include <hookkeep/event.h>
        int main(void) {
            hk_receipt receipt = HK_RECEIPT_INIT;
            hk_event_options options = HK_EVENT_OPTIONS_INIT;
            hk_event *event;
            return hk_event_construct(&receipt, &options, &event) == HK_OK;
        }\n"""
    for compiler, mode in [("gcc", ["-xc", "-std=c89"]), ("g++", ["-xc++", "-std=c++98"]),
                           ("clang", ["-xc", "-std=c89"]), ("clang", ["-xc++", "-std=c++17"])]:
        if shutil.which(compiler):
            run([compiler, *mode, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                 *config("--cflags"), "-"], input=source)


def the_manual_names_every_function_and_status():
    with open(os.path.join(SOURCE, "man/libhookkeep.3.scd.in"), encoding="utf-8") as f:
        manual = f.read().replace("\\_", "_")
    with open(one("**/include/hookkeep/signature.h"), encoding="utf-8") as f:
        statuses = set(re.findall(r"^ +(HK_\w+) = ", f.read(), re.M))
    assert len(statuses) > 10, statuses
    missing = [n for n in declared() if f"{n}(" not in manual]
    missing += [n for n in statuses if not re.search(rf"\b{n}\b", manual)]
    assert not missing, missing


def ask(program, header, body, *secrets, **environment):
    """The status that the example answers with, and all it said."""
    env = {"HTTP_STRIPE_SIGNATURE": header, "CONTENT_LENGTH": str(len(body)), **environment}
    env.update(zip(["STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_OLD"], secrets))
    if not header:
        del env["HTTP_STRIPE_SIGNATURE"]
    done = subprocess.run([program], input=body, capture_output=True, check=False, env=env)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return int(re.match(r"Status: (\d+) ", said).group(1)), said


def sign(body, at=None):
    """Not by the library."""
    at = int(time.time()) if at is None else at
    mac = hmac.new(SECRET.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def try_example(program, **env):
    body = (b'{"id":"evt_1","object":"event","type":"invoice.paid","created":1,"livemode":true,'
            b'"data":{"object":{"amount_paid":1999,"metadata":{"site":"shop"}}}}')
    code, said = ask(program, sign(body), body, SECRET, **env)
    assert code == 200 and "evt_1 invoice.paid live, paid 1999, site shop" in said, said
    assert ask(program, sign(body), body, "whsec_new", SECRET, **env)[0] == 200
    for expected, words, header, sent, secrets in [
            (400, "no Stripe-Signature header", "", body, [SECRET]),
            (400, "no v1 item matches", sign(body), body + b" ", [SECRET]),
            (400, "no v1 item matches", sign(body), body, ["whsec_another"]),
            (400, "older than the tolerance", sign(body, int(time.time()) - 400), body, [SECRET]),
            (400, "is empty", sign(b""), b"", [SECRET]),
            (400, "no JSON", sign(b"{"), b"{", [SECRET]),
            (400, "no Stripe event", sign(b"{}"), b"{}", [SECRET]),
            (503, "no secret", sign(body), body, []),
            (413, "larger than 1 MiB", sign(body), b" " * 1048577, [SECRET])]:
        code, said = ask(program, header, sent, *secrets, **env)
        assert code == expected and words in said, f"{expected} {words}: {said}"
        assert SECRET not in said, said


def an_embedder_runs_with_the_shared_library():
    program = compile_c(os.path.join(SOURCE, "examples/embed/webhook.c"),
                        *config("--cflags", "--libs"))
    assert "[libhookkeep.so.0]" in run(["readelf", "-d", program])
    try_example(program, LD_LIBRARY_PATH=os.path.dirname(one("**/libhookkeep.so")))


def static_libs():
    """As for `pkg-config --static`, with our archive and others' shared libraries: Debian has no
    static yyjson."""
    return [one("**/libhookkeep.a") if lib == "-lhookkeep" else lib
            for lib in config("--static", "--libs")]


def an_embedder_runs_with_the_static_library():
    program = compile_c(os.path.join(SOURCE, "examples/embed/webhook.c"), *config("--cflags"),
                        *static_libs())
    assert "libhookkeep" not in run(["readelf", "-d", program])
    try_example(program)


def a_host_finds_its_guest_quiet():
    if SANITIZED:
        raise Skipped("the heap is the sanitizer's")
    program = compile_c(os.path.join(SOURCE, "tests/library/guest.c"), *config("--cflags"),
                        *static_libs(), strict=["-std=c89", "-Wall", "-Wextra", "-Werror"])
    assert run([program]) == "a quiet guest\n"


CHECKS = [everything_is_installed, the_shared_library_exports_what_is_declared,
          the_static_library_has_nothing_else_for_everybody,
          it_calls_nothing_that_would_disturb_its_host, it_keeps_nothing_between_two_calls,
          each_header_compiles_alone, the_initializers_are_c89_and_cpp,
          the_manual_names_every_function_and_status,
          an_embedder_runs_with_the_shared_library, an_embedder_runs_with_the_static_library,
          a_host_finds_its_guest_quiet]

with tempfile.TemporaryDirectory() as ROOT:
    WORK = os.path.join(ROOT, "work")
    os.mkdir(WORK)
    run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", os.path.join(ROOT, "dest")])
    PREFIX = os.path.dirname(os.path.dirname(one("dest/**/include/hookkeep")))
    print(f"1..{len(CHECKS)}")
    failed = 0
    for i, check in enumerate(CHECKS, 1):
        name = check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok {i} - {name}", flush=True)
        except Skipped as why:
            print(f"ok {i} - {name} # SKIP {why}", flush=True)
        except (AssertionError, OSError) as error:
            failed += 1
            print(f"not ok {i} - {name}", flush=True)
            print("\n".join("# " + line for line in str(error).splitlines()), flush=True)
sys.exit(1 if failed else 0)
