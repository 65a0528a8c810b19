# rsync and its daemon, and rsync over ssh.
. "$(dirname "$0")/lib.sh"
tree from
mkdir served
cat >rsyncd.conf <<END
use chroot = no
munge symlinks = no
port = 8730
address = $here
uid = 0
gid = 0
[it]
	path = $PWD/served
	read only = no
[from]
	path = $PWD/from
END
serve 8730 rsync --daemon --no-detach --config=rsyncd.conf
sshd_up
sync() { $CLIENT rsync -a --timeout=50 "$@"; }
same() { diff -r --no-dereference "$1" "$2"; }

push() { sync --delete from/ "$@" && same from served; }
pull() { rm -rf to && sync "$@" to/ && same from to; }
update() { # what differs only, and what is too much goes
	cp -a from kept
	rm -rf served/some/where && random served/too-much 1000 && random from/some/7 90000 && printf more >>from/some/where/large
	sync --delete --checksum --stats from/ "$@" >told
	same from served && has 'Number of deleted files: 1' told
	rm -rf from && mv kept from
}
modules() { sync rsync://$here:8730/ >told && has it told && has from told; }
unknown() { fails sync rsync://$here:8730/none/ 2>said && has 'Unknown module' said; }
slowly() { rm -rf to && sync --bwlimit=4000 --compress rsync://$here:8730/from/ to/ && same from to; }
over="ssh ${ssh_options[*]}"
check 'daemon push' push rsync://$here:8730/it/
check 'daemon update' update rsync://$here:8730/it/
check 'daemon pull' pull rsync://$here:8730/from/
check 'daemon slow pull' slowly
check 'daemon modules' modules
check 'daemon unknown module' unknown
check 'ssh push' push -e "$over" "$here:$PWD/served/"
check 'ssh update' update -e "$over" "$here:$PWD/served/"
check 'ssh pull' pull -e "$over" "$here:$PWD/from/"
check 'daemon over ssh' pull -e "$over" --rsync-path="rsync --config=$PWD/rsyncd.conf" "$here::from/"
