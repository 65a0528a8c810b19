# git with its daemon, and over ssh.
. "$(dirname "$0")/lib.sh"
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
git config --global user.name somebody
git config --global user.email somebody@example.net
git config --global init.defaultBranch main
git config --global safe.directory '*'
git config --global gc.auto 0
git config --global core.fsync none
mkdir repos
git init -q work
for round in {1..3}; do
	tree work
	rmdir work/empty
	git -C work add -A
	git -C work commit -qm "round $round"
done
git clone -q --bare work repos/it.git
touch repos/it.git/git-daemon-export-ok
git -C repos/it.git config daemon.receivepack true
serve 9418 git daemon --reuseaddr --listen=$here --base-path="$PWD/repos" "$PWD/repos"
sshd_up
export GIT_SSH_COMMAND="ssh ${ssh_options[*]}"
git() { $CLIENT git "$@"; }
head_of() { command git -C "$1" rev-parse "${2-HEAD}"; }

clone() {
	rm -rf to
	git clone -q "$1" to
	command git -C to fsck --strict
	[ "$(head_of to)" = "$(head_of repos/it.git)" ]
	diff -r -x .git --no-dereference work to
}
shallow() {
	rm -rf few
	git clone -q --depth 2 "$1" few
	[ "$(command git -C few rev-list --count HEAD)" = 2 ]
	git -C few fetch -q --unshallow
	[ "$(command git -C few rev-list --count HEAD)" = "$(command git -C work rev-list --count HEAD)" ]
}
push() {
	clone "$1"
	random to/new 2000000
	command git -C to add -A
	command git -C to commit -qm new
	git -C to push -q
	[ "$(head_of to)" = "$(head_of repos/it.git main)" ]
	git -C work pull -q --ff-only "$1" main
	cmp work/new to/new
}
refused() { # somebody else was faster
	clone "$1"
	command git -C to commit -q --amend --allow-empty -m other
	fails git -C to push -q 2>said
	has rejected said
}
branches() { git ls-remote "$1" >told && has refs/heads/main told; }
archive() { git archive --remote="$1" main | tar t >told && has some/where/large told; }
missing() { fails git clone -q "${1%it.git}none.git" none 2>said; [ ! -e none ]; }
for url in "git://$here/it.git" "ssh://$here$PWD/repos/it.git"; do
	for what in clone shallow push refused branches missing; do
		check "${url%%:*} $what" $what "$url"
	done
done
check 'ssh archive' archive "ssh://$here$PWD/repos/it.git"
