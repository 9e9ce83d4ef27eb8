//! rsync, tar, cp, find and their kind: trees that come and go with all that belongs to them.

use crate::suites::steps::{Step, check_steps};

pub(super) const RSYNC_SUITE: &str = "rsync";
pub(super) const ARCHIVES_SUITE: &str = "archives";
pub(super) const EVERYDAY_SUITE: &str = "everyday";

#[test]
fn rsync_synchronises() {
    check_steps(RSYNC_SUITE, &[&[TREE], RSYNC].concat());
}

#[test]
fn archives_and_copies_keep_what_they_hold() {
    check_steps(ARCHIVES_SUITE, &[&[TREE], ARCHIVES, COPIES].concat());
}

#[test]
fn everyday_programs_work() {
    check_steps(EVERYDAY_SUITE, &[&[TREE], EVERYDAY].concat());
}

/// A tree on the local disk that has one of everything.
const TREE: Step = Step {
    name: "make a tree",
    script: "
mkdir \"$OUTSIDE/tree\" && cd \"$OUTSIDE/tree\"
for d in one two 'three and a half' four/deep/deeper; do
    mkdir -p \"$d\"
    for f in $(seq 40); do seq $f > \"$d/file-$f.txt\"; done
done
mkdir empty private && chmod 700 private && echo secret > private/secret && chmod 600 private/secret
touch nothing 'käse und brot' ./-dash 'quo\"te' \"apos'trophe\" 'star*' '#hash%41?'
head -c 20000000 /dev/urandom > large.bin && printf x | dd of=sparse bs=1 seek=5000000 status=none
ln -s one/file-1.txt link && ln -s nowhere dangling && ln -s four/deep directory-link
chmod 755 one/file-1.txt && chmod 444 one/file-2.txt && chmod 4711 one/file-3.txt
chmod 1777 two && chmod 2750 four && chown -h 1:2 one/file-4.txt link && chown 3:4 empty
mkfifo pipe && mknod null c 1 3
find . -not -type d -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
touch -h -d 1999-12-31 link && find . -depth -type d -exec touch -d '2010-10-10 10:10:10' {} +
listing . > ../listing",
};

const RSYNC: &[Step] = &[
    Step {
        name: "rsync -a into the mount",
        script: "rsync -a \"$OUTSIDE/tree/\" a/ && listing a | diff \"$OUTSIDE/listing\" -",
    },
    Step {
        name: "rsync -a a second time transfers nothing",
        script: "
test -z \"$(rsync -a --itemize-changes \"$OUTSIDE/tree/\" a/)\"
rsync -a --stats \"$OUTSIDE/tree/\" a/ | has 'Number of regular files transferred: 0'",
    },
    Step {
        name: "rsync --checksum finds the same bytes",
        script: "test -z \"$(rsync -a --checksum --itemize-changes \"$OUTSIDE/tree/\" a/)\"",
    },
    Step {
        name: "rsync transfers what changed, and only that",
        script: "
cp -a \"$OUTSIDE/tree\" \"$OUTSIDE/changed\" && cd \"$OUTSIDE/changed\"
echo more >> one/file-5.txt && chmod 600 one/file-6.txt && touch two/file-7.txt && chown 9 link -h
rm -r empty && echo new > new
cd \"$MOUNT\" && rsync -a --delete --itemize-changes \"$OUTSIDE/changed/\" a/ > \"$OUTSIDE/items\"
for item in '>f.*one/file-5.txt' '.f.*p.*one/file-6.txt' '>f.*t.*two/file-7.txt' \\
    '\\*deleting *empty/' '>f+* new' '.L.*o.*link'; do
    grep -q \"^$item\" \"$OUTSIDE/items\" || { cat \"$OUTSIDE/items\"; echo \"no $item\"; exit 1; }
done
test \"$(grep -c '^>' \"$OUTSIDE/items\")\" = 3
test -z \"$(rsync -a --delete --itemize-changes \"$OUTSIDE/changed/\" a/)\"",
    },
    Step {
        name: "rsync --inplace changes a part of a large file",
        script: "
printf changed | dd of=\"$OUTSIDE/changed/large.bin\" bs=1 seek=9000000 conv=notrunc status=none
rsync -a --inplace --no-whole-file \"$OUTSIDE/changed/\" a/ && cmp a/large.bin \"$OUTSIDE/changed/large.bin\"",
    },
    Step {
        name: "rsync --append-verify adds to a large file",
        script: "
head -c 100000 /dev/urandom >> \"$OUTSIDE/changed/large.bin\"
rsync -a --append-verify \"$OUTSIDE/changed/\" a/ && cmp a/large.bin \"$OUTSIDE/changed/large.bin\"",
    },
    Step {
        name: "rsync --sparse",
        script: "rsync -a --sparse \"$OUTSIDE/tree/sparse\" sparse && cmp sparse \"$OUTSIDE/tree/sparse\"",
    },
    Step {
        name: "rsync --backup --delay-updates --temp-dir",
        script: "
mkdir temporary
rsync -a --backup --suffix=.old --delay-updates --temp-dir=\"$MOUNT/temporary\" \"$OUTSIDE/tree/one/\" a/one/
test -e a/one/file-5.txt.old && cmp a/one/file-5.txt \"$OUTSIDE/tree/one/file-5.txt\"
test -z \"$(ls -A temporary)\"",
    },
    Step {
        name: "rsync inside the mount",
        script: "
find a -type d -exec touch -d 2011-11-11 {} + && rsync -a a/ b/ && listing a > \"$OUTSIDE/a\" && listing b | diff \"$OUTSIDE/a\" -",
    },
    Step {
        name: "rsync out of the mount",
        script: "
rsync -a --delete \"$OUTSIDE/tree/\" a/
rsync -a a/ \"$OUTSIDE/out/\" && listing \"$OUTSIDE/out\" | diff \"$OUTSIDE/listing\" -
diff -r --no-dereference -x pipe -x null a \"$OUTSIDE/out\"",
    },
    Step {
        name: "rsync --remove-source-files",
        script: "rsync -a --remove-source-files b/ c/ && test -z \"$(find b -not -type d)\" && rm -rf b c",
    },
    Step {
        name: "rsync -H keeps hard links",
        script: "
mkdir \"$OUTSIDE/hard\" && echo text > \"$OUTSIDE/hard/one\" && ln \"$OUTSIDE/hard/one\" \"$OUTSIDE/hard/two\"
rsync -aH \"$OUTSIDE/hard/\" hard/ && test hard/one -ef hard/two",
    },
];

const ARCHIVES: &[Step] = &[
    Step {
        name: "tar x",
        script: "
tar cf \"$OUTSIDE/tree.tar\" --format=posix -C \"$OUTSIDE\" tree
tar xpf \"$OUTSIDE/tree.tar\" && listing tree | diff \"$OUTSIDE/listing\" -",
    },
    Step { name: "tar --compare", script: "tar --compare -f \"$OUTSIDE/tree.tar\"" },
    Step {
        name: "tar c of what was unpacked is the same archive",
        script: "
tar cf again.tar --sort=name --format=posix --pax-option=delete=atime,delete=ctime tree
tar cf \"$OUTSIDE/again.tar\" --sort=name --format=posix --pax-option=delete=atime,delete=ctime \\
    -C \"$OUTSIDE\" tree
cmp again.tar \"$OUTSIDE/again.tar\"",
    },
    Step {
        name: "tar over what is there",
        script: "tar xpf \"$OUTSIDE/tree.tar\" && listing tree | diff \"$OUTSIDE/listing\" -",
    },
    Step {
        name: "tar --append, --update and --delete",
        script: "
cd tree && tar cf ../part.tar one two && echo late > late && tar --append -f ../part.tar late
echo later > late && touch -d 2040-01-01 late && tar --update -f ../part.tar late
tar --delete -f ../part.tar two && tar tf ../part.tar | (! grep '^two')
test \"$(tar xOf ../part.tar late)\" = \"$(printf 'late\\nlater')\" && rm late",
    },
    Step {
        name: "tar through compressors",
        script: "
for z in gzip bzip2 xz; do
    tar c --$z -f z.tar tree/one && mkdir z && tar x --$z -f z.tar -C z
    diff -r tree/one z/tree/one && rm -r z
done",
    },
    Step {
        name: "tar --listed-incremental",
        script: "
tar c -g snapshot -f full.tar tree/two && echo new > tree/two/new
tar c -g snapshot -f more.tar tree/two && tar tf more.tar | grep -v '/$' | diff - <(echo tree/two/new)",
    },
    Step {
        name: "tar --sparse",
        script: "
tar c --sparse -f sparse.tar tree/sparse && mkdir s && tar x -f sparse.tar -C s
cmp s/tree/sparse tree/sparse",
    },
    Step {
        name: "zip, unzip and a damaged archive by python",
        script: "
/usr/bin/python3 -m zipfile --create z.zip tree/one && /usr/bin/python3 -m zipfile --test z.zip
/usr/bin/python3 -m zipfile --extract z.zip unzipped && diff -r tree/one unzipped/one",
    },
    Step {
        name: "tar keeps hard links",
        script: "
mkdir \"$OUTSIDE/hard\" && echo text > \"$OUTSIDE/hard/one\" && ln \"$OUTSIDE/hard/one\" \"$OUTSIDE/hard/two\"
tar c -C \"$OUTSIDE\" hard | tar x && test hard/one -ef hard/two",
    },
];

const COPIES: &[Step] = &[
    Step { name: "the tree is removed", script: "rm -rf ./* && test -z \"$(ls -A)\"" },
    Step {
        name: "cp -a into the mount",
        script: "cp -a \"$OUTSIDE/tree\" in && listing in | diff \"$OUTSIDE/listing\" -",
    },
    Step {
        name: "cp -a inside the mount",
        script: "cp -a in inside && listing inside | diff \"$OUTSIDE/listing\" -",
    },
    Step {
        name: "cp -a out of the mount",
        script: "
cp -a inside \"$OUTSIDE/out\" && listing \"$OUTSIDE/out\" | diff \"$OUTSIDE/listing\" -
diff -r --no-dereference -x pipe -x null \"$OUTSIDE/tree\" \"$OUTSIDE/out\"",
    },
    Step {
        name: "diff -r finds no difference",
        script: "diff -r --no-dereference -x pipe -x null \"$OUTSIDE/tree\" inside",
    },
    Step {
        name: "mv of a directory",
        script: "
mv inside moved && listing moved | diff \"$OUTSIDE/listing\" - && test ! -e inside
mv moved in/four/moved && listing in/four/moved | diff \"$OUTSIDE/listing\" -
mv in/four/moved moved && rm -r moved",
    },
    Step {
        name: "mv of a tree out of the mount",
        script: "
cp -a \"$OUTSIDE/tree\" away && mv away \"$OUTSIDE/away\" && test ! -e away
listing \"$OUTSIDE/away\" | diff \"$OUTSIDE/listing\" -",
    },
    Step {
        name: "cp --update and --no-clobber",
        script: "
echo older > \"$OUTSIDE/older\" && touch -d 1990-01-01 \"$OUTSIDE/older\" && echo newer > u
cp --update \"$OUTSIDE/older\" u && test \"$(cat u)\" = newer
cp -n \"$OUTSIDE/older\" u; test \"$(cat u)\" = newer && touch -d 1980-01-01 u
cp --update \"$OUTSIDE/older\" u && test \"$(cat u)\" = older",
    },
    Step {
        name: "cp --sparse and --reflink=auto",
        script: "
cp --sparse=always in/sparse s1 && cmp s1 in/sparse && cp --reflink=auto in/large.bin s2
cmp s2 in/large.bin && cp --sparse=never s1 s3 && cmp s3 s1",
    },
    Step {
        name: "install and cp --parents",
        script: "
install -D -m 750 -o 5 -g 6 in/one/file-1.txt usr/bin/tool
test \"$(stat -c '%a %u %g' usr/bin/tool)\" = '750 5 6'
mkdir parents && (cd in && cp --parents four/deep/deeper/file-9.txt ../parents)
cmp parents/four/deep/deeper/file-9.txt in/four/deep/deeper/file-9.txt",
    },
    Step { name: "cp -l makes hard links", script: "cp -l in/nothing hard-link" },
];

const EVERYDAY: &[Step] = &[
    Step { name: "cp -r", script: "cp -r --preserve=mode,timestamps \"$OUTSIDE/tree\" t" },
    Step {
        name: "find by type, name, size, mode and time",
        script: "
test \"$(find t -type f | wc -l)\" = \"$(find \"$OUTSIDE/tree\" -type f | wc -l)\"
find t -name 'file-4?.txt' | wc -l | has '^4$'; find t -name 'file-4*.txt' | wc -l | has '^8$'
find t -size +10M | has large.bin && find t -empty -type d | has t/empty
find t -perm 444 | has one/file-2.txt && find t -newermt 2001-01-01 -type f | has nothing
test -z \"$(find t -newermt 2002-01-01 -type f)\"
touch marker && echo x > t/after && find t -newer marker -type f | has t/after",
    },
    Step {
        name: "find -delete and -exec",
        script: "
find t/two -name '*-1*.txt' -delete && test -z \"$(find t/two -name '*-1*')\"
find t/four -type f -exec sha256sum {} + > sums && sha256sum --quiet --check sums",
    },
    Step {
        name: "ls, du and stat agree",
        script: "
test \"$(ls -lR t | grep -c '^-')\" = \"$(find t -type f | wc -l)\"
test \"$(du -sb --apparent-size t/large.bin | cut -f1)\" = 20000000
test \"$(stat -c %s t/sparse)\" = 5000001 && test \"$(stat -c %h t/large.bin)\" = 1
du -s t/large.bin | cut -f1 | (read -r k; test \"$k\" -ge 19000)
df . | tail -1 | has '%'",
    },
    Step {
        name: "chmod, chown and touch, recursively",
        script: "
chmod -R u=rwX,go=rX t && test -z \"$(find t -type f -perm /022)\" && chown -R 7:8 t
test -z \"$(find t -not -uid 7 -o -not -gid 8)\" && chmod 000 t/nothing
test \"$(stat -c %a t/nothing)\" = 0
touch -d '2022-02-22 22:22:22.222222222' t/nothing
test \"$(stat -c %y t/nothing)\" = '2022-02-22 22:22:22.222222222 +0000'
touch -r t/nothing t/large.bin && test ! t/large.bin -nt t/nothing && test ! t/nothing -nt t/large.bin",
    },
    Step {
        name: "another user is kept out",
        script: "
mkdir -m 700 mine && echo x > mine/file && echo y > readable && chmod 644 readable && chmod 755 .
setpriv --reuid=1 --regid=1 --clear-groups cat readable
refused setpriv --reuid=1 --regid=1 --clear-groups cat mine/file 2>/dev/null
refused setpriv --reuid=1 --regid=1 --clear-groups touch theirs 2>/dev/null
mkdir -m 1777 shared && setpriv --reuid=1 --regid=1 --clear-groups touch shared/theirs
test \"$(stat -c %u:%g shared/theirs)\" = 1:1
refused setpriv --reuid=2 --regid=2 --clear-groups rm -f shared/theirs 2>/dev/null
setpriv --reuid=1 --regid=1 --clear-groups rm shared/theirs",
    },
    Step {
        name: "dd at offsets, with syncs and directly",
        script: "
dd if=/dev/urandom of=\"$OUTSIDE/dd\" bs=1M count=20 status=none
dd if=\"$OUTSIDE/dd\" of=dd bs=1M status=none conv=fsync && cmp dd \"$OUTSIDE/dd\"
for at in 0 1 7 8 9 19; do
    for file in dd \"$OUTSIDE/dd\"; do
        dd if=/proc/self/exe of=\"$file\" bs=4096 seek=$((at * 256)) count=3 conv=notrunc status=none
    done
done
cmp dd \"$OUTSIDE/dd\" && dd if=dd of=direct bs=1M oflag=direct iflag=direct status=none && cmp dd direct
dd if=dd of=synced bs=64k count=30 oflag=sync status=none && cmp -n 1966080 dd synced",
    },
    Step {
        name: "truncate, fallocate and holes",
        script: "
seq 100000 > \"$OUTSIDE/cut\" && cp \"$OUTSIDE/cut\" cut && truncate -s 1000 cut
cmp -n 1000 cut \"$OUTSIDE/cut\" && test \"$(stat -c %s cut)\" = 1000
truncate -s 30M cut && test \"$(tail -c 1 cut | od -An -tx1 | tr -d ' ')\" = 00
truncate -s -29M cut && test \"$(stat -c %s cut)\" = 1048576
fallocate -l 2M cut && test \"$(stat -c %s cut)\" = 2097152
seq 100000 > holed && truncate -s 100000 holed && fallocate --punch-hole -o 4096 -l 8192 holed
test \"$(tr -d '\\0' < holed | wc -c)\" = 91808 && test \"$(stat -c %s holed)\" = 100000
fallocate --zero-range -o 90000 -l 20000 holed && test \"$(stat -c %s holed)\" = 110000",
    },
    Step {
        name: "append from many processes",
        script: "
for p in 1 2 3 4 5 6; do (for n in $(seq 50); do echo \"$p $n\" >> log; done) & done; wait
test \"$(wc -l < log)\" = 300 && test \"$(sort -u log | wc -l)\" = 300",
    },
    Step {
        name: "a log is followed while it is written",
        script: "
touch followed && (timeout 60 tail -n +1 -s 0.05 -f followed > \"$OUTSIDE/followed\" & echo $! > \"$OUTSIDE/tail\")
exec 3>> followed
for n in $(seq 20); do echo $n >&3; done
tries=0; until test \"$(wc -l < \"$OUTSIDE/followed\")\" = 20; do
    tries=$((tries + 1)); test $tries -lt 2000; read -r -t 0.02 < <(:) || true; done
kill \"$(cat \"$OUTSIDE/tail\")\"; exec 3>&-",
    },
    Step {
        name: "sort, split, join again and compare",
        script: "
seq 300000 | sort --random-source=/dev/zero -R > shuffled && sort -n -T . -S 1M shuffled -o sorted
seq 300000 | cmp - sorted && split -b 100000 sorted piece- && cat piece-* | cmp - sorted
rm piece-* && comm -3 sorted sorted | wc -c | has '^0$' && tac sorted | tac | cmp - sorted",
    },
    Step {
        name: "locks keep others out",
        script: "
exec 9> lock && flock -n 9 && refused flock -n lock true && flock -u 9 && flock -n lock true
/usr/bin/python3 - <<'END'
import fcntl, os
file = open('lock', 'w')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
if os.fork() == 0:
    other = open('lock', 'w')
    try:
        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os._exit(1)
    except OSError:
        os._exit(0)
assert os.wait()[1] == 0
END",
    },
    Step {
        name: "a file is used after it was removed",
        script: "
seq 1000 > gone && exec 4<> gone && rm gone && test ! -e gone
seq 1000 | cmp - /proc/self/fd/4 && echo more >&4 && exec 4>&- && touch gone && test ! -s gone",
    },
    Step {
        name: "fifos, sockets and devices",
        script: "
mkfifo way && (echo through > way &) && test \"$(cat way)\" = through && rm way
mknod null c 1 3 && echo away > null && test \"$(stat -c '%F %t %T' null)\" = 'character special file 1 3'
/usr/bin/python3 -c '
import socket
one = socket.socket(socket.AF_UNIX); one.bind(\"socket\"); one.listen()
two = socket.socket(socket.AF_UNIX); two.connect(\"socket\"); two.send(b\"hello\")
assert one.accept()[0].recv(5) == b\"hello\"'
test -S socket && rm socket null",
    },
    Step {
        name: "three thousand files in a directory",
        script: "
mkdir many && cd many && seq 3000 | xargs touch && ls | wc -l | has '^3000$'
test \"$(ls -U | sort -n | tail -1)\" = 3000 && cd .. && rm -r many && test ! -e many",
    },
    Step { name: "all of it is removed", script: "chmod -R u+rwX . && rm -rf ./* && test -z \"$(ls -A)\"" },
];
