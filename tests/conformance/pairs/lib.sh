# What the scenarios of clients and servers have in common. Each is run as
#
#   bash SCENARIO [TEST...]
#
# in an empty directory and a network of its own, in which everything ends with it. In CLIENT and
# SERVER is what has to stand before a client's command and a server's: rock, if that one is under it.
# It prints a line for each of its tests, all or those that are named.
set -u
wanted=("$@")
here=127.0.0.1

# check NAME CMD...: a test, which passes if the command ends with 0.
check() {
	local name=$1
	shift
	[ ${#wanted[@]} = 0 ] || printf '%s\n' "${wanted[@]}" | grep -qxFe "$name" || return 0
	(set -e -o pipefail; "$@") >output 2>&1 </dev/null
	case $? in
	0) echo "@@ ok $name" ;;
	*) cat output; echo "@@ failed $name" ;;
	esac
}

# serve PORT CMD...: a server, which is there when this returns.
serve() {
	local port=$1
	shift
	$SERVER "$@" </dev/null >"server.$port" 2>&1 &
	for _ in {1..300}; do
		[ -z "$(ss -Hltn "sport = :$port")" ] || return 0
		sleep 0.1
	done
	give_up "server.$port" "nobody listens at port $port: $*"
}

# give_up FILE WHY: without what has just failed there is nothing to test.
give_up() {
	cat "$1"
	echo "@@ failed to set up: $2"
	exit 1
}

# fails CMD...: the command ends with something else than 0. (A mere "!" would not end a test.)
fails() { if "$@"; then return 1; fi; }

# has TEXT FILE: the text is in the file.
has() { grep -qF -e "$1" "$2" || { cat "$2"; return 1; }; }

# random FILE SIZE: a file of that size.
random() { head -c "$2" /dev/urandom >"$1"; }

# tree DIR: a directory with some files in it, small and large, empty ones and links.
tree() {
	mkdir -p "$1/some/where/deep" "$1/empty"
	for i in {1..60}; do random "$1/some/$i" $((i * i * 37)); done
	random "$1/some/where/large" 3000000
	: >"$1/some/where/nothing"
	ln -sf ../large "$1/some/where/deep/link"
}

# sshd_up: an sshd at port 2222 that lets this user in, with ssh_options for the clients.
sshd_up() {
	ssh-keygen -q -t ed25519 -N '' -f key
	ssh-keygen -q -t ed25519 -N '' -f host
	cp key.pub authorized
	chmod 600 authorized
	ssh_options=(-F none -i "$PWD/key" -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
	serve 2222 /usr/sbin/sshd -D -e -f /dev/null -p 2222 -o ListenAddress=$here -o "HostKey=$PWD/host" -o UsePAM=no -o PidFile=none \
		-o StrictModes=no -o "AuthorizedKeysFile=$PWD/authorized" -o "Subsystem=sftp internal-sftp"
}
