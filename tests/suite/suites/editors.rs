//! Editors, and the ways in which programs save a file.

use crate::suites::steps::{Step, check_steps};

pub(super) const SUITE: &str = "editors";

#[test]
fn editors_save_and_recover() {
    check_steps(SUITE, STEPS);
}

const STEPS: &[Step] = &[
    Step {
        name: "vim writes a new file",
        script: "
vim.tiny -u NONE -es -c 'normal ihello' -c 'wq' new.txt
test \"$(cat new.txt)\" = hello && test -z \"$(ls -A | grep -v '^new.txt$')\"",
    },
    Step {
        name: "vim replaces the file by a renamed one",
        script: "
seq 1000 > renamed.txt && chmod 640 renamed.txt
vim.tiny -u NONE -es -c 'set backup backupskip= backupcopy=no' -c '%s/^5/five/' -c 'wq' renamed.txt
grep -q '^five00$' renamed.txt && test \"$(stat -c %a renamed.txt)\" = 640
grep -q '^500$' renamed.txt~",
    },
    Step {
        name: "vim writes into the file and keeps a copy",
        script: "
seq 1000 > copied.txt && chmod 600 copied.txt
vim.tiny -u NONE -es -c 'set backup backupskip= backupcopy=yes' -c '1,10d' -c 'wq' copied.txt
test \"$(head -1 copied.txt)\" = 11 && test \"$(head -1 copied.txt~)\" = 1
test \"$(stat -c %a copied.txt)\" = 600",
    },
    Step {
        name: "vim keeps the owner and the symbolic link",
        script: "
seq 10 > owned.txt && chown 1:1 owned.txt && ln -s owned.txt owned.link
vim.tiny -u NONE -es -c 'normal Glast' -c 'wq' owned.link
test -L owned.link && test \"$(stat -c %u:%g owned.txt)\" = 1:1",
    },
    Step {
        name: "vim recovers from a swap file",
        script: "
seq 100 > swapped.txt
vim.tiny -u NONE -es -c 'set updatecount=1' -c 'normal ggOunsaved' -c 'preserve' \\
    -c 'silent !kill -9 $PPID' swapped.txt || true
ls -A | has '^.swapped.txt.swp$'
vim.tiny -u NONE -es -c 'recover' -c 'wq!' swapped.txt || true
grep -q unsaved swapped.txt && test \"$(wc -l < swapped.txt)\" = 101
rm -f .swapped.txt.sw*",
    },
    Step {
        name: "vim keeps an undo file",
        script: "
seq 10 > undone.txt
vim.tiny -u NONE -es -c 'set undofile' -c '1d' -c 'wq' undone.txt
test \"$(wc -l < undone.txt)\" = 9",
    },
    Step {
        name: "ed",
        script: "
seq 100 > ed.txt
printf '%s\\n' '50i' inserted . '1,10d' w q | ed -s ed.txt
test \"$(sed -n 40p ed.txt)\" = inserted && test \"$(wc -l < ed.txt)\" = 91",
    },
    Step {
        name: "sed and perl in place",
        script: "
seq 1000 > inplace.txt && chmod 604 inplace.txt
sed -i.bak 's/^1$/one/' inplace.txt && perl -pi -e 's/^2$/two/' inplace.txt
test \"$(head -2 inplace.txt | tr '\\n' ' ')\" = 'one two '
test \"$(head -1 inplace.txt.bak)\" = 1 && test \"$(stat -c %a inplace.txt)\" = 604",
    },
    Step {
        name: "truncated and written in place, with a sync",
        script: "
seq 5000 > nano.txt
/usr/bin/python3 - <<'END'
import os
fd = os.open('nano.txt', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
for n in range(3000):
    os.write(fd, b'line %d\\n' % n)
os.fsync(fd)
os.close(fd)
END
test \"$(wc -l < nano.txt)\" = 3000 && test \"$(tail -1 nano.txt)\" = 'line 2999'",
    },
    Step {
        name: "backup by rename, then a new file",
        script: "
seq 100 > emacs.txt
/usr/bin/python3 - <<'END'
import os
os.symlink('somebody@host.123:456', '.#emacs.txt')
open('#emacs.txt#', 'w').write('autosave')
mode = os.stat('emacs.txt').st_mode & 0o7777
os.rename('emacs.txt', 'emacs.txt~')
fd = os.open('emacs.txt', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
os.write(fd, b'new text\\n')
os.fsync(fd)
os.fchmod(fd, mode)
os.close(fd)
os.unlink('.#emacs.txt')
os.unlink('#emacs.txt#')
END
test \"$(cat emacs.txt)\" = 'new text' && test \"$(stat -c %a emacs.txt)\" = 644
test \"$(wc -l < emacs.txt~)\" = 100",
    },
    Step {
        name: "a temporary file, synced, renamed, and its directory synced",
        script: "
/usr/bin/python3 - <<'END'
import os, tempfile
for turn in range(20):
    fd, name = tempfile.mkstemp(dir='.', prefix='.save-')
    os.write(fd, b'turn %d\\n' % turn)
    os.fchmod(fd, 0o644)
    os.fsync(fd)
    os.close(fd)
    os.replace(name, 'saved.txt')
    directory = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)
    assert open('saved.txt').read() == 'turn %d\\n' % turn
END
test -z \"$(ls -A | grep '^.save-')\"",
    },
    Step {
        name: "an office program's lock file",
        script: "
/usr/bin/python3 - <<'END'
import fcntl, os
lock = os.open('.~lock.text.odt#', os.O_RDWR | os.O_CREAT | os.O_EXCL)
try:
    os.open('.~lock.text.odt#', os.O_RDWR | os.O_CREAT | os.O_EXCL)
    raise SystemExit('made twice')
except FileExistsError:
    pass
os.write(lock, b'somebody')
file = open('text.odt', 'w+b')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
file.write(bytes(range(256)) * 4000)
file.seek(1000)
file.write(b'changed')
file.flush()
file.seek(999)
assert file.read(9) == b'\\xe7changed\\xef'
file.close()
os.close(lock)
os.unlink('.~lock.text.odt#')
END
test \"$(stat -c %s text.odt)\" = 1024000",
    },
];
