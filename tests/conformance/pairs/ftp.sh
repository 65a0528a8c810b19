# curl and vsftpd: FTP with active and passive data connections, IPv4 and IPv6, and TLS (passive: curl's active does not end).
. "$(dirname "$0")/lib.sh"
mkdir -p files/in chroot
chown ftp files/in
random files/large 10000000
for i in {1..20}; do random "files/$i" $((i * 3000)); done
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "subjectAltName=DNS:localhost" -keyout key -out cert 2>/dev/null
cat >vsftpd.conf <<END
listen=NO
listen_ipv6=YES
listen_port=2121
background=NO
anonymous_enable=YES
no_anon_password=YES
ftp_username=ftp
anon_root=$PWD/files
anon_world_readable_only=NO
allow_writeable_chroot=YES
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
secure_chroot_dir=$PWD/chroot
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=NO
force_anon_data_ssl=NO
require_ssl_reuse=NO
rsa_cert_file=$PWD/cert
rsa_private_key_file=$PWD/key
END
chmod 600 vsftpd.conf
serve 2121 /usr/sbin/vsftpd "$PWD/vsftpd.conf"
curl() { $CLIENT curl -sS --fail "$@"; }
url=ftp://localhost:2121

get() { curl "$@" -o got $url/large && cmp got files/large; }
list() { curl "$@" $url/ >listed && has large listed && [ "$(wc -l <listed)" = 22 ]; }
many() {
	rm -rf all && mkdir all
	curl "$@" -o 'all/#1' "$url/[1-20]"
	for i in {1..20}; do cmp "all/$i" "files/$i"; done
}
put() {
	curl "$@" -T files/large $url/in/it
	cmp files/in/it files/large
	curl "$@" -T files/3 --append $url/in/it
	cmp files/in/it <(cat files/large files/3)
	curl "$@" -Q 'DELE in/it' $url/ -o /dev/null
	[ ! -e files/in/it ]
}
resume() {
	head -c 4000000 files/large >got
	curl "$@" -C - -o got $url/large
	cmp got files/large
}
missing() {
	local status=0
	$CLIENT curl -sS "$@" $url/none 2>/dev/null || status=$?
	[ $status = 78 ]
}
for kind in 'passive -4' 'passive-ipv6 -6' 'passive-without-EPSV -4 --disable-epsv' 'active -4 -P -' 'active-ipv6 -6 -P -' \
	'active-without-EPRT -4 -P - --disable-eprt' 'tls-passive -4 --ssl-reqd --cacert cert'; do
	read -r name options <<<"$kind"
	for what in get list many put resume missing; do
		check "$name $what" $what $options
	done
done
