//! git: repositories in the mount, and a working day in them.

use crate::suites::steps::{Step, check_steps};

pub(super) const SUITE: &str = "git";

#[test]
fn git_works() {
    check_steps(SUITE, STEPS);
}

const STEPS: &[Step] = &[
    Step {
        name: "configure and init",
        script: "
git config --global user.name Somebody
git config --global user.email somebody@example.org
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git config --global protocol.file.allow always
git init --quiet work
# What git found out about the file system: these are written only where it is poor.
test \"$(git -C work config core.fileMode)\" = true
test -z \"$(git -C work config core.symlinks)\"
test -z \"$(git -C work config core.ignoreCase)\"",
    },
    Step {
        name: "add and commit 300 files",
        script: "
cd work
for d in $(seq 20); do
    mkdir -p src/$d/deep
    for f in $(seq 15); do seq $d $((d + f * 20)) > src/$d/deep/$f.txt; done
done
head -c 3000000 /dev/urandom > blob.bin
git add --all
git commit --quiet --message first
test \"$(git ls-files | wc -l)\" = 301
test -z \"$(git status --porcelain)\"",
    },
    Step {
        name: "modes and symbolic links are kept",
        script: "
cd work
echo '#!/bin/sh' > run && chmod +x run && ln -s run link && ln -s nowhere dangling
git add --all && git commit --quiet --message modes
test \"$(git ls-files --stage run | cut -c1-6)\" = 100755
test \"$(git ls-files --stage link | cut -c1-6)\" = 120000
rm run link dangling && git checkout --quiet -- .
test -x run && test \"$(readlink link)\" = run && test \"$(readlink dangling)\" = nowhere
test -z \"$(git status --porcelain)\"",
    },
    Step {
        name: "status sees a change",
        script: "
cd work
echo more >> src/1/deep/1.txt && rm src/2/deep/2.txt && touch new
test \"$(git status --porcelain | sort | tr '\\n' ,)\" = ' D src/2/deep/2.txt, M src/1/deep/1.txt,?? new,'
git diff --stat | has '2 files changed'
git checkout --quiet -- . && rm new && test -z \"$(git status --porcelain)\"",
    },
    Step {
        name: "branch, change and switch",
        script: "
cd work
git switch --quiet --create other
for f in $(seq 15); do echo other >> src/3/deep/$f.txt; done
git rm -r --quiet src/4 && git mv src/5 src/five
git commit --quiet --all --message other
git switch --quiet main
test -d src/4 && test -d src/5 && test ! -e src/five
git switch --quiet other
test ! -e src/4 && test ! -e src/5 && test -d src/five
git switch --quiet main && test -z \"$(git status --porcelain)\"",
    },
    Step {
        name: "merge",
        script: "
cd work
echo main >> src/6/deep/1.txt && git commit --quiet --all --message main
git merge --quiet --no-edit other
test -d src/five && tail -1 src/6/deep/1.txt | has main
test -z \"$(git status --porcelain)\"",
    },
    Step {
        name: "merge with a conflict",
        script: "
cd work
git switch --quiet --create left && echo left > src/7/deep/1.txt && git commit -qam left
git switch --quiet main && git switch --quiet --create right
echo right > src/7/deep/1.txt && git commit -qam right
refused git merge --quiet left
grep -q '<<<<<<<' src/7/deep/1.txt
echo both > src/7/deep/1.txt && git add --all && git commit --quiet --no-edit
git switch --quiet main && git merge --quiet --ff-only right",
    },
    Step {
        name: "rebase",
        script: "
cd work
git switch --quiet --create series
for n in 1 2 3 4 5; do echo $n > series-$n && git add --all && git commit -qm series-$n; done
git switch --quiet main && echo base > base && git add --all && git commit -qm base
git switch --quiet series && git rebase --quiet main
test \"$(git rev-list --count main..series)\" = 5
git switch --quiet main && git merge --quiet --ff-only series",
    },
    Step {
        name: "cherry-pick and revert",
        script: "
cd work
git switch --quiet --create pick HEAD~3
git cherry-pick main > /dev/null && git revert --no-edit HEAD > /dev/null
test ! -e series-5 && git switch --quiet main && test -e series-5",
    },
    Step {
        name: "stash",
        script: "
cd work
echo stashed >> src/8/deep/1.txt && echo untracked > untracked
git stash push --quiet --include-untracked && test ! -e untracked
git stash pop --quiet && test -e untracked && tail -1 src/8/deep/1.txt | has stashed
rm untracked && git reset --quiet --hard && test -z \"$(git status --porcelain)\"",
    },
    Step {
        name: "tag, log and blame",
        script: "
cd work
git tag --annotate v1 --message v1 && git describe | has '^v1$'
git log --oneline --stat -- src/3 | has other
git blame src/3/deep/1.txt | has other
git grep -q stashed || true
git log --oneline | wc -l | has '^1[0-9]$'",
    },
    Step {
        name: "clone from a bare repository in the mount",
        script: "
git clone --quiet --bare work bare.git
git clone --quiet bare.git second
test \"$(git -C second rev-parse HEAD)\" = \"$(git -C work rev-parse HEAD)\"
diff -r --exclude .git --no-dereference work second",
    },
    Step {
        name: "clone over the wire protocol",
        script: "
git clone --quiet --no-local bare.git third
git -C third fsck --full --strict 2>&1 | (! grep -E 'error|missing|corrupt')
diff -r --exclude .git --no-dereference work third",
    },
    Step {
        name: "clone to the disk and back",
        script: "
git clone --quiet --no-local \"$MOUNT/bare.git\" \"$OUTSIDE/clone\"
cd \"$OUTSIDE/clone\" && git fsck --full
echo outside > outside && git add --all && git commit -qm outside && git push --quiet
test \"$(git -C \"$MOUNT/bare.git\" log -1 --format=%s)\" = outside",
    },
    Step {
        name: "push, fetch and pull",
        script: "
cd second
git pull --quiet && test -e outside
echo second > second && git add --all && git commit -qm second && git push --quiet
cd ../third && git fetch --quiet && git pull --quiet --ff-only && test -e second",
    },
    Step {
        name: "gc and fsck",
        script: "
cd work
git gc --quiet --prune=now
test \"$(git count-objects -v | sed -n 's/^count: //p')\" = 0
test -z \"$(git fsck --full --strict 2>&1 | grep -E 'error|missing|corrupt')\"
git status --porcelain && git log --oneline | wc -l
git -C ../bare.git gc --quiet --aggressive && git -C ../bare.git fsck --full",
    },
    Step {
        name: "repack, commit graph and pack index",
        script: "
cd work
for n in 1 2 3; do echo $n > pack-$n && git add --all && git commit -qm pack-$n && git repack -q; done
git multi-pack-index write --no-progress && git multi-pack-index verify --no-progress
git commit-graph write --reachable --no-progress && git commit-graph verify --no-progress
git repack -adq && git fsck --full",
    },
    Step {
        name: "worktree",
        script: "
cd work
git worktree add --quiet ../tree -b tree && echo tree > ../tree/tree
git -C ../tree add --all && git -C ../tree commit -qm tree
git worktree remove ../tree && test ! -e ../tree && git log -1 --format=%s tree | has tree",
    },
    Step {
        name: "submodule",
        script: "
git init --quiet parent && cd parent
git submodule --quiet add \"$MOUNT/bare.git\" child && git commit -qm child
git clone --quiet --recurse-submodules . ../parents-clone 2>/dev/null
test -e ../parents-clone/child/base",
    },
    Step {
        name: "archive and bundle",
        script: "
cd work
mkdir ../unpacked && git archive HEAD | tar x -C ../unpacked
diff -r --exclude .git --no-dereference . ../unpacked
git bundle create --quiet ../all.bundle --all && git clone --quiet ../all.bundle ../from-bundle
test \"$(git -C ../from-bundle rev-parse HEAD)\" = \"$(git rev-parse HEAD)\"",
    },
    Step {
        name: "clean and remove",
        script: "
cd work && mkdir -p junk/deep && touch junk/deep/file && git clean --quiet -dfx
test ! -e junk && cd ..
rm -rf work second third bare.git parent parents-clone unpacked from-bundle all.bundle
test -z \"$(ls -A)\"",
    },
];
