//! Compilers and make: many small files, times that must be in order, programs that are run.

use std::path::Path;

use crate::suites::steps::{Step, check_steps_with};

pub(super) const SUITE: &str = "builds";

#[test]
fn programs_are_built_and_run() {
    let cargo = Path::new(env!("CARGO")).parent().expect("cargo is in a directory");
    check_steps_with(SUITE, STEPS, &[("CARGO_BIN", cargo)]);
}

const STEPS: &[Step] = &[
    Step {
        name: "make builds a program of twenty files",
        script: "
mkdir c && cd c && mkdir include
for n in $(seq 20); do
    printf '#include \"all.h\"\\nint f%d(int x) { return x + BASE + %d; }\\n' $n $n > f$n.c
    echo \"int f$n(int);\" >> include/protos.h
done
printf '#define BASE 1\\n#include \"protos.h\"\\n' > include/all.h
{ echo '#include <stdio.h>'; echo '#include \"all.h\"'; echo 'int main(void) { int x = 0;'
for n in $(seq 20); do echo \"x = f$n(x);\"; done
echo 'printf(\"%d\\n\", x); return 0; }'; } > main.c
cat > Makefile <<'END'
objects := $(patsubst %.c,%.o,$(wildcard *.c))
program: $(objects)
\tcc -o $@ $^
%.o: %.c
\tcc -g -Iinclude -MMD -c -o $@ $<
-include $(wildcard *.d)
END
make --quiet --jobs=4 && test \"$(./program)\" = 230",
    },
    Step { name: "make has nothing to do the second time", script: "cd c && make --question" },
    Step {
        name: "make rebuilds what depends on a header",
        script: "
cd c && echo '#define BASE 2' > include/base.h
sed -i 's/#define BASE 1/#include \"base.h\"/' include/all.h
make --jobs=4 | grep -c 'cc -g' | has '^21$'
test \"$(./program)\" = 250 && make --question
touch f7.c && make | grep -c 'cc -g' | has '^1$' && make --question",
    },
    Step {
        name: "a running program is not written to",
        script: "
cd c && cp /bin/sleep sleeper
/usr/bin/python3 - <<'END'
import errno, os, subprocess
# Popen returns once the program has replaced the child.
with subprocess.Popen(['./sleeper', '100']) as sleeping:
    try:
        open('sleeper', 'r+')
        raise SystemExit('a running program was opened for writing')
    except OSError as error:
        assert error.errno == errno.ETXTBSY, error
    subprocess.run(['cp', '--remove-destination', '/bin/true', 'sleeper'], check=True)
    subprocess.run(['./sleeper'], check=True)
    assert sleeping.poll() is None
    sleeping.kill()
END",
    },
    Step {
        name: "static and shared libraries",
        script: "
cd c && ar rcs libf.a f*.o && cc -o static main.o libf.a && test \"$(./static)\" = 250
ar t libf.a | wc -l | has '^20$'
cc -shared -fPIC -Iinclude -o libf.so f*.c && cc -o dynamic main.o -L. -lf -Wl,-rpath,.
test \"$(./dynamic)\" = 250 && strip dynamic && test \"$(./dynamic)\" = 250
/usr/bin/python3 -c 'import ctypes; assert ctypes.CDLL(\"./libf.so\").f1(1) == 4'",
    },
    Step {
        name: "python compiles modules and zips",
        script: "
mkdir -p package/inner && cd package
echo 'from .inner import value' > __init__.py && echo 'value = 7' > inner/__init__.py && cd ..
test \"$(/usr/bin/python3 -c 'import package; print(package.value)')\" = 7
find package -name '*.pyc' | wc -l | has '^2$'
before=$(stat -c %Y.%i package/__pycache__/*.pyc)
/usr/bin/python3 -c 'import package' && test \"$(stat -c %Y.%i package/__pycache__/*.pyc)\" = \"$before\"
mkdir app && echo 'print(\"zipped\")' > app/__main__.py && /usr/bin/python3 -m zipapp app
test \"$(/usr/bin/python3 app.pyz)\" = zipped",
    },
    Step {
        name: "cargo builds, rebuilds and runs",
        script: "
export PATH=\"$CARGO_BIN:$PATH\" CARGO_HOME=\"$OUTSIDE/cargo\" CARGO_NET_OFFLINE=true
unset CARGO_TARGET_DIR RUSTFLAGS
cargo new --quiet --vcs none rust && cd rust
test \"$(cargo run --quiet)\" = 'Hello, world!'
cargo build 2>&1 | (! grep Compiling)
sed -i s/world/mount/ src/main.rs && test \"$(cargo run --quiet)\" = 'Hello, mount!'",
    },
    Step { name: "all of it is removed", script: "rm -rf c package app app.pyz rust && test -z \"$(ls -A)\"" },
];
