/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount options: what each volume would pass to the kernel, and what not. */
#include "lib/test/test.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "volplugins/mntopt.h"

struct row {
	const char *name;
	const char *type, *o, *device;
	uint64_t size;
	const char *addr; /* of the server, for the last step */
	const char *want; /* as dump() writes it; NULL: refused */
	const char *msg;
};

#define LONG16  "0123456789abcdef"
#define LONG64  LONG16 LONG16 LONG16 LONG16
#define LONG256 LONG64 LONG64 LONG64 LONG64
#define FLAGS16 "ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,ac,"

static const struct row rows[] = {
	/* ---- bind ---- */
	{ .name = "bind as compose files have it",
	  .type = "none",
	  .o = "bind",
	  .device = "/srv/data",
	  .want = "bind /srv/data nosuid,nodev private" },
	{ .name = "bind, type left out",
	  .o = "bind",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev private" },
	{ .name = "type=bind alone",
	  .type = "bind",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev private" },
	{ .name = "bind, read-only",
	  .type = "none",
	  .o = "bind,ro",
	  .device = "/srv",
	  .want = "bind /srv ro,nosuid,nodev private" },
	{ .name = "the last of ro and rw counts",
	  .type = "none",
	  .o = "ro,bind,rw",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev private" },
	{ .name = "rbind does not reach back",
	  .type = "none",
	  .o = "rbind",
	  .device = "/srv",
	  .want = "rbind /srv nosuid,nodev slave" },
	{ .name = "rbind, propagation asked for",
	  .type = "none",
	  .o = "rbind,rshared",
	  .device = "/srv",
	  .want = "rbind /srv nosuid,nodev shared" },
	{ .name = "rslave and slave are one for a single mount",
	  .type = "none",
	  .o = "bind,rslave",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev slave" },
	{ .name = "suid and dev must be asked for",
	  .type = "none",
	  .o = "bind,suid,dev",
	  .device = "/srv",
	  .want = "bind /srv private" },
	{ .name = "the last of suid and nosuid counts",
	  .type = "none",
	  .o = "bind,suid,nosuid",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev private" },
	{ .name = "all that a mount can have",
	  .type = "none",
	  .o = "bind,noexec,noatime,nodiratime,nosymfollow",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev,noexec,noatime,nodiratime,"
		  "nosymfollow clear=atime private" },
	{ .name = "the last atime counts",
	  .type = "none",
	  .o = "bind,noatime,strictatime",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev,strictatime clear=atime private" },
	{ .name = "relatime takes noatime off a bind",
	  .type = "none",
	  .o = "bind,relatime",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev clear=atime private" },
	{ .name = "defaults, and commas too many",
	  .type = "none",
	  .o = ",,bind,,defaults,",
	  .device = "/srv",
	  .want = "bind /srv nosuid,nodev private" },
	{ .name = "a path may have anything but control characters",
	  .type = "none",
	  .o = "bind",
	  .device = "/srv/a b,c=d,suid",
	  .want = "bind /srv/a b,c=d,suid nosuid,nodev private" },
	{ .name = "bind without a device",
	  .type = "none",
	  .o = "bind",
	  .msg = "option device: missing, a bind needs the directory" },
	{ .name = "none without bind",
	  .type = "none",
	  .o = "ro",
	  .device = "/srv",
	  .msg = "option type=none: nothing is mounted without bind or rbind "
		 "in o=" },
	{ .name = "bind of a relative path",
	  .type = "none",
	  .o = "bind",
	  .device = "../srv",
	  .msg = "option device=\"../srv\": not an absolute path" },
	{ .name = "bind with a newline in the path",
	  .type = "none",
	  .o = "bind",
	  .device = "/srv\n/etc",
	  .msg = "option device: a control character, or longer than 255 "
		 "bytes" },
	{ .name = "bind with another type",
	  .type = "ext4",
	  .o = "bind",
	  .device = "/srv",
	  .msg = "mount option bind goes with type=none, not with type=ext4" },
	{ .name = "bind=yes",
	  .type = "none",
	  .o = "bind=yes,bind",
	  .device = "/srv",
	  .msg = "mount option bind: takes no value" },
	{ .name = "sync is the file system's",
	  .type = "none",
	  .o = "bind,sync",
	  .device = "/srv",
	  .msg = "mount option \"sync\" is refused: it belongs to the file "
		 "system that is bound, not to the bind" },
	{ .name = "unbindable",
	  .type = "none",
	  .o = "bind,unbindable",
	  .device = "/srv",
	  .msg = "mount option \"unbindable\" is refused: no container could "
		 "be given it" },
	{ .name = "size of a bind",
	  .type = "none",
	  .o = "bind",
	  .device = "/srv",
	  .size = 1 << 20,
	  .msg = "option size: type=none has no limit that we could set, the "
		 "file system that is mounted has its own" },
	{ .name = "an option of another type",
	  .type = "none",
	  .o = "bind,vers=4",
	  .device = "/srv",
	  .msg = "mount option \"vers\" is not for type=none: it is for "
		 "type=nfs" },

	/* ---- tmpfs ---- */
	{ .name = "tmpfs as Docker's page has it",
	  .type = "tmpfs",
	  .o = "size=100m,uid=1000",
	  .device = "tmpfs",
	  .want = "tmpfs nosuid,nodev private size=100m uid=1000 "
		  "source=tmpfs" },
	{ .name = "tmpfs, nothing else",
	  .type = "tmpfs",
	  .want = "tmpfs nosuid,nodev private source=tmpfs" },
	{ .name = "tmpfs, every option it has",
	  .type = "tmpfs",
	  .o = "size=50%,nr_inodes=100,nr_blocks=7,mode=1777,uid=1,gid=2,"
	       "huge=never,mpol=bind:0-1,inode64,noswap,noexec,ro",
	  .device = "tmpfs",
	  .want = "tmpfs ro,nosuid,nodev,noexec private size=50% "
		  "nr_inodes=100 nr_blocks=7 mode=1777 uid=1 gid=2 huge=never "
		  "mpol=bind:0-1 inode64 noswap source=tmpfs ro" },
	{ .name = "tmpfs, size as an option of its own",
	  .type = "tmpfs",
	  .device = "tmpfs",
	  .size = 64 << 20,
	  .want = "tmpfs nosuid,nodev private source=tmpfs size=67108864" },
	{ .name = "tmpfs, size twice",
	  .type = "tmpfs",
	  .o = "size=1m",
	  .size = 64 << 20,
	  .msg = "option size: given twice, here and in o=" },
	{ .name = "tmpfs, one byte",
	  .type = "tmpfs",
	  .o = "size=1",
	  .want = "tmpfs nosuid,nodev private size=1 source=tmpfs" },
	{ .name = "tmpfs, 1 PiB",
	  .type = "tmpfs",
	  .o = "size=1P",
	  .want = "tmpfs nosuid,nodev private size=1P source=tmpfs" },
#define BAD_SIZE(text)                                                   \
	{                                                                \
		.name = "tmpfs, size " text, .type = "tmpfs",            \
		.o = "size=" text,                                       \
		.msg = "mount option size=\"" text                       \
		       "\": not a size like 64m, 1g or 50%, and not 0, " \
		       "which would be no limit",                        \
	}
	BAD_SIZE("0"),
	BAD_SIZE("-1"),
	BAD_SIZE("64mb"),
	BAD_SIZE("m"),
	BAD_SIZE("0%"),
	BAD_SIZE("101%"),
	BAD_SIZE("8e"),
	BAD_SIZE("+1"),
	BAD_SIZE("99999999999999999999"),
	BAD_SIZE(" 1"),
	BAD_SIZE("1 "),
	{ .name = "tmpfs, size without a value",
	  .type = "tmpfs",
	  .o = "size",
	  .msg = "mount option size: needs a value, a size like 64m, 1g or "
		 "50%, and not 0, which would be no limit" },
	{ .name = "tmpfs, mode not octal",
	  .type = "tmpfs",
	  .o = "mode=rwx",
	  .msg = "mount option mode=\"rwx\": not an octal number like 0755" },
	{ .name = "tmpfs, uid by name",
	  .type = "tmpfs",
	  .o = "uid=root",
	  .msg = "mount option uid=\"root\": not a whole number" },
	{ .name = "tmpfs, uid beyond 32 bits",
	  .type = "tmpfs",
	  .o = "uid=4294967296",
	  .msg = "mount option uid=\"4294967296\": not a whole number" },

	/* ---- nfs ---- */
	{ .name = "nfs as Docker's page has it",
	  .type = "nfs",
	  .o = "addr=192.168.1.1,rw",
	  .device = ":/path/to/dir",
	  .addr = "192.168.1.1",
	  .want = "nfs nosuid,nodev private host=192.168.1.1 "
		  "source=192.168.1.1:/path/to/dir addr=192.168.1.1" },
	{ .name = "nfs, server by name, version 4",
	  .type = "nfs",
	  .o = "addr=nas.example,nfsvers=4,async,nolock,soft,rsize=65536",
	  .device = ":/export",
	  .addr = "10.0.0.9",
	  .want = "nfs nosuid,nodev private host=nas.example nfsvers=4 async "
		  "nolock soft rsize=65536 source=nas.example:/export "
		  "addr=10.0.0.9" },
	{ .name = "nfs4, server in the device only",
	  .type = "nfs4",
	  .o = "minorversion=1",
	  .device = "nas:/",
	  .addr = "10.0.0.9",
	  .want = "nfs4 nosuid,nodev private host=nas minorversion=1 "
		  "source=nas:/ addr=10.0.0.9" },
	{ .name = "nfs, name in the device, address in o",
	  .type = "nfs",
	  .o = "addr=10.0.0.9",
	  .device = "nas:/x",
	  .addr = "10.0.0.9",
	  .want = "nfs nosuid,nodev private host=10.0.0.9 source=nas:/x "
		  "addr=10.0.0.9" },
	{ .name = "nfs over IPv6",
	  .type = "nfs",
	  .o = "addr=2001:db8::9,proto=tcp6",
	  .device = ":/x",
	  .addr = "2001:db8::9",
	  .want = "nfs nosuid,nodev private host=2001:db8::9 family=6 "
		  "proto=tcp6 source=[2001:db8::9]:/x addr=2001:db8::9" },
	{ .name = "nfs, IPv6 address in the device",
	  .type = "nfs",
	  .device = "[2001:db8::9]:/x",
	  .addr = "2001:db8::9",
	  .want = "nfs nosuid,nodev private host=2001:db8::9 "
		  "source=[2001:db8::9]:/x addr=2001:db8::9" },
	{ .name = "nfs over IPv4 only",
	  .type = "nfs",
	  .o = "proto=tcp",
	  .device = "nas:/x",
	  .addr = "10.0.0.9",
	  .want = "nfs nosuid,nodev private host=nas family=4 proto=tcp "
		  "source=nas:/x addr=10.0.0.9" },
	{ .name = "nfs, what fstab files have",
	  .type = "nfs",
	  .o = "addr=a,hard,intr,timeo=600,retrans=2,noresvport,nconnect=4,"
	       "lookupcache=none,actimeo=1,noac,v4.1,fsc,nofsc,fsc=tag,ro",
	  .device = ":/x",
	  .addr = "1.2.3.4",
	  .want = "nfs ro,nosuid,nodev private host=a hard intr timeo=600 "
		  "retrans=2 noresvport nconnect=4 lookupcache=none actimeo=1 "
		  "noac v4.1 fsc nofsc fsc=tag ro source=a:/x addr=1.2.3.4" },
	{ .name = "nfs, a path with a comma is one value",
	  .type = "nfs",
	  .o = "addr=a",
	  .device = ":/x,suid,context=y",
	  .addr = "1.2.3.4",
	  .want = "nfs nosuid,nodev private host=a "
		  "source=a:/x,suid,context=y addr=1.2.3.4" },
	{ .name = "nfs without a server",
	  .type = "nfs",
	  .o = "rw",
	  .device = ":/x",
	  .msg = "option device: missing, no server in it and no addr=SERVER "
		 "in o=" },
	{ .name = "nfs without a colon",
	  .type = "nfs",
	  .o = "addr=a",
	  .device = "/x",
	  .msg = "option device: for type=nfs it is :/EXPORT with addr=SERVER "
		 "in o=, or SERVER:/EXPORT" },
	{ .name = "nfs without a device",
	  .type = "nfs",
	  .o = "addr=a",
	  .msg = "option device: missing, this type needs it" },
	{ .name = "nfs, empty addr",
	  .type = "nfs",
	  .o = "addr=",
	  .device = ":/x",
	  .msg = "mount option addr=\"\": not a host name or an address" },
	{ .name = "nfs, addr that is a path",
	  .type = "nfs",
	  .o = "addr=../../etc",
	  .device = ":/x",
	  .msg = "mount option addr=\"../../etc\": not a host name or an "
		 "address" },
	{ .name = "nfs in the background",
	  .type = "nfs",
	  .o = "addr=a,bg",
	  .device = ":/x",
	  .msg = "mount option \"bg\" is refused: a container can't start "
		 "before its volume is there: Docker's restart policy tries "
		 "again" },
	{ .name = "nfs, sloppy",
	  .type = "nfs",
	  .o = "addr=a,sloppy",
	  .device = ":/x",
	  .msg = "mount option \"sloppy\" is refused: it makes the kernel "
		 "ignore options that it does not know" },
	{ .name = "nfs, source smuggled in",
	  .type = "nfs",
	  .o = "addr=a,source=b:/y",
	  .device = ":/x",
	  .msg = "unknown mount option \"source\" for type=nfs: "
		 "docs/options.md lists those there are" },
	{ .name = "nfs, misspelt",
	  .type = "nfs",
	  .o = "addr=a,nolok",
	  .device = ":/x",
	  .msg = "unknown mount option \"nolok\" for type=nfs: did you mean "
		 "\"nolock\"?" },
	{ .name = "nfs, more options than there are",
	  .type = "nfs",
	  .o = FLAGS16 FLAGS16 FLAGS16 FLAGS16 "ac",
	  .device = "a:/x",
	  .msg = "option o: more than 64 mount options" },
	{ .name = "nfs, no room left for the address",
	  .type = "nfs",
	  .o = FLAGS16 FLAGS16 FLAGS16 FLAGS16,
	  .device = "a:/x",
	  .addr = "1.2.3.4",
	  .msg = "option o: more than 64 mount options" },
	{ .name = "nfs, path longer than the kernel takes",
	  .type = "nfs",
	  .o = "addr=a",
	  .device = ":/" LONG256,
	  .msg = "option device: a control character, or longer than 255 "
		 "bytes" },
	{ .name = "nfs, source longer than the kernel takes",
	  .type = "nfs",
	  .o = "addr=" LONG64 LONG64 LONG64,
	  .device = ":/" LONG64,
	  .addr = "1.2.3.4",
	  .msg = "option device: longer than 255 bytes" },

	/* ---- cifs ---- */
	{ .name = "cifs with a credentials file",
	  .type = "cifs",
	  .o = "addr=nas.example,credentials=/etc/nas.cred,vers=3.0,"
	       "file_mode=0777,dir_mode=0777,uid=33",
	  .device = "//nas.example/share",
	  .addr = "10.0.0.9",
	  .want = "cifs nosuid,nodev private host=nas.example "
		  "credentials=/etc/nas.cred vers=3.0 file_mode=0777 "
		  "dir_mode=0777 uid=33 source=//nas.example/share "
		  "ip=10.0.0.9" },
	{ .name = "cifs, server from the device",
	  .type = "cifs",
	  .o = "username=joe,sec=krb5,domain=D",
	  .device = "//nas/share/dir with blank",
	  .addr = "10.0.0.9",
	  .want = "cifs nosuid,nodev private host=nas username=joe sec=krb5 "
		  "domain=D source=//nas/share/dir with blank ip=10.0.0.9" },
	{ .name = "cifs as a guest, slashes as on Windows",
	  .type = "smb3",
	  .o = "guest,_netdev,noauto",
	  .device = "\\\\nas\\share",
	  .addr = "10.0.0.9",
	  .want = "smb3 nosuid,nodev private host=nas username= _netdev "
		  "noauto source=\\\\nas\\share ip=10.0.0.9" },
	{ .name = "cifs, ip instead of addr",
	  .type = "cifs",
	  .o = "ip=10.1.1.1,user=joe",
	  .device = "//nas/share",
	  .addr = "10.1.1.1",
	  .want = "cifs nosuid,nodev private host=10.1.1.1 user=joe "
		  "source=//nas/share ip=10.1.1.1" },
#define SECRET(key)                                                           \
	"mount option \"" key                                                 \
	"\" is refused: options are shown by docker volume inspect and kept " \
	"in clear. Put username=, password= and domain= into a file of "      \
	"root's with mode 0600, a line each, and say credentials=FILE"
	{ .name = "cifs, password",
	  .type = "cifs",
	  .o = "username=joe,password=hunter2",
	  .device = "//nas/share",
	  .msg = SECRET("password") },
	{ .name = "cifs, pass",
	  .type = "cifs",
	  .o = "pass=hunter2",
	  .device = "//nas/share",
	  .msg = SECRET("pass") },
	{ .name = "cifs, second password",
	  .type = "cifs",
	  .o = "PassWord2=hunter2",
	  .device = "//nas/share",
	  .msg = SECRET("PassWord2") },
	{ .name = "cifs, password in the user",
	  .type = "cifs",
	  .o = "user=joe%hunter2",
	  .device = "//nas/share",
	  .msg = SECRET("user") },
	{ .name = "cifs, password in the device",
	  .type = "cifs",
	  .device = "//joe:hunter2@nas/share",
	  .msg = "option device: for type=cifs it is //SERVER/SHARE, and the "
		 "user is given by credentials=FILE in o=" },
	{ .name = "ext4, a secret of some kind",
	  .type = "ext4",
	  .o = "apitoken=hunter2",
	  .device = "/dev/sda1",
	  .msg = SECRET("apitoken") },
	{ .name = "cifs, user twice",
	  .type = "cifs",
	  .o = "credentials=/etc/c,username=joe",
	  .device = "//nas/share",
	  .msg = "mount option credentials: the user is given twice, leave "
		 "username= or guest out" },
	{ .name = "cifs, credentials of a relative path",
	  .type = "cifs",
	  .o = "credentials=c",
	  .device = "//nas/share",
	  .msg = "mount option credentials=\"c\": not the absolute path of a "
		 "file" },
	{ .name = "cifs, share smuggled in",
	  .type = "cifs",
	  .o = "unc=//other/share",
	  .device = "//nas/share",
	  .msg = "mount option \"unc\" is refused: the share and the path in "
		 "it are given by device=//SERVER/SHARE/PATH" },
	{ .name = "cifs without a share",
	  .type = "cifs",
	  .device = "//nas/",
	  .msg = "option device: for type=cifs it is //SERVER/SHARE, and the "
		 "user is given by credentials=FILE in o=" },
	{ .name = "cifs, three slashes",
	  .type = "cifs",
	  .device = "///nas/share",
	  .msg = "option device: for type=cifs it is //SERVER/SHARE, and the "
		 "user is given by credentials=FILE in o=" },

	/* ---- block devices ---- */
	{ .name = "ext4, read-only",
	  .type = "ext4",
	  .o = "ro,noload",
	  .device = "/dev/loop0",
	  .want = "ext4 /dev/loop0 ro,nosuid,nodev private noload ro" },
	{ .name = "ext4, options with and without values",
	  .type = "ext4",
	  .o = "user_xattr,noacl,barrier=0,commit=30,data=ordered,"
	       "errors=remount-ro,discard,lazytime,sync,noatime",
	  .device = "/dev/disk/by-uuid/1",
	  .want = "ext4 /dev/disk/by-uuid/1 nosuid,nodev,noatime private "
		  "user_xattr noacl barrier=0 commit=30 data=ordered "
		  "errors=remount-ro discard lazytime sync" },
	{ .name = "xfs",
	  .type = "xfs",
	  .o = "inode64,prjquota,logbufs=8,nouuid",
	  .device = "/dev/sdb",
	  .want = "xfs /dev/sdb nosuid,nodev private inode64 prjquota "
		  "logbufs=8 nouuid" },
	{ .name = "btrfs",
	  .type = "btrfs",
	  .o = "subvol=/a,compress=zstd:3,compress-force,space_cache=v2",
	  .device = "/dev/sdb",
	  .want = "btrfs /dev/sdb nosuid,nodev private subvol=/a "
		  "compress=zstd:3 compress-force space_cache=v2" },
	{ .name = "vfat",
	  .type = "vfat",
	  .o = "uid=1,umask=022,utf8,iocharset=utf8,flush",
	  .device = "/dev/sdc1",
	  .want = "vfat /dev/sdc1 nosuid,nodev private uid=1 umask=022 utf8 "
		  "iocharset=utf8 flush" },
	{ .name = "exfat",
	  .type = "exfat",
	  .o = "fmask=0133,errors=continue",
	  .device = "/dev/sdc1",
	  .want = "exfat /dev/sdc1 nosuid,nodev private fmask=0133 "
		  "errors=continue" },
	{ .name = "iso9660",
	  .type = "iso9660",
	  .o = "ro,norock,mode=0444",
	  .device = "/dev/sr0",
	  .want = "iso9660 /dev/sr0 ro,nosuid,nodev private norock mode=0444 "
		  "ro" },
	{ .name = "squashfs",
	  .type = "squashfs",
	  .o = "ro,errors=panic",
	  .device = "/dev/loop3",
	  .want = "squashfs /dev/loop3 ro,nosuid,nodev private errors=panic "
		  "ro" },
	{ .name = "a device by its label",
	  .type = "ext4",
	  .device = "LABEL=data",
	  .msg = "option device=\"LABEL=data\": not an absolute path "
		 "(/dev/disk/by-uuid and by-label have them)" },
	{ .name = "loop",
	  .type = "ext4",
	  .o = "loop",
	  .device = "/srv/image",
	  .msg = "mount option \"loop\" is refused: attach the file with "
		 "losetup and give the loop device as device=" },
	{ .name = "vfat has no user_xattr",
	  .type = "vfat",
	  .o = "user_xattr",
	  .device = "/dev/sdc1",
	  .msg = "mount option \"user_xattr\" is not for type=vfat: it is for "
		 "type=cifs" },

	/* ---- hostile, for any ---- */
	{ .name = "remount",
	  .type = "none",
	  .o = "bind,remount",
	  .device = "/srv",
	  .msg = "mount option \"remount\" is refused: a volume is mounted as "
		 "it was created; remove it and create it again" },
	{ .name = "context",
	  .type = "ext4",
	  .o = "context=system_u:object_r:x:s0",
	  .device = "/dev/sda1",
	  .msg = "mount option \"context\" is refused: labels are set by "
		 "Docker, with :z or :Z on the container's -v" },
	{ .name = "what fstab has",
	  .type = "ext4",
	  .o = "nofail",
	  .device = "/dev/sda1",
	  .msg = "mount option \"nofail\" is refused: it is for /etc/fstab and "
		 "means nothing here: leave it out" },
	{ .name = "what systemd has in fstab",
	  .type = "ext4",
	  .o = "x-systemd.automount",
	  .device = "/dev/sda1",
	  .msg = "mount option \"x-systemd.automount\" is refused: it is for "
		 "/etc/fstab and means nothing here: leave it out" },
	{ .name = "user of fstab",
	  .type = "ext4",
	  .o = "user",
	  .device = "/dev/sda1",
	  .msg = "mount option \"user\" is refused: it is for /etc/fstab and "
		 "means nothing here: leave it out" },
	{ .name = "a control character",
	  .type = "tmpfs",
	  .o = "size=1m\nsuid",
	  .msg = "option o: a control character, or a mount option longer than "
		 "255 bytes" },
	{ .name = "a value longer than the kernel takes",
	  .type = "tmpfs",
	  .o = "mpol=" LONG256,
	  .msg = "option o: a control character, or a mount option longer than "
		 "255 bytes" },
	{ .name = "a blank before an option",
	  .type = "tmpfs",
	  .o = "size=1m, suid",
	  .msg = "unknown mount option \" suid\" for type=tmpfs: did you mean "
		 "\"suid\"?" },
	{ .name = "upper case is another word",
	  .type = "none",
	  .o = "bind,RO",
	  .device = "/srv",
	  .msg = "unknown mount option \"RO\" for type=none: docs/options.md "
		 "lists those there are" },
	{ .name = "only an equals sign",
	  .type = "tmpfs",
	  .o = "=x",
	  .msg = "unknown mount option \"\" for type=tmpfs: docs/options.md "
		 "lists those there are" },
	{ .name = "nothing like it anywhere",
	  .type = "tmpfs",
	  .o = "qwertyuiop",
	  .msg = "unknown mount option \"qwertyuiop\" for type=tmpfs: "
		 "docs/options.md lists those there are" },
	{ .name = "escape codes are shown as such",
	  .type = "\033[31mred",
	  .device = "x",
	  .msg = "option type=\"\\x1b[31mred\": not one of none, bind, tmpfs, "
		 "nfs, nfs4, cifs, smb3, ext4, ext3, ext2, xfs, btrfs, vfat, "
		 "exfat, iso9660, squashfs" },
	{ .name = "a type that needs a helper",
	  .type = "fuse.sshfs",
	  .device = "x",
	  .msg = "option type=\"fuse.sshfs\": not one of none, bind, tmpfs, "
		 "nfs, nfs4, cifs, smb3, ext4, ext3, ext2, xfs, btrfs, vfat, "
		 "exfat, iso9660, squashfs" },
	{ .name = "a type of the kernel's own",
	  .type = "proc",
	  .device = "proc",
	  .msg = "option type=\"proc\": not one of none, bind, tmpfs, nfs, "
		 "nfs4, cifs, smb3, ext4, ext3, ext2, xfs, btrfs, vfat, exfat, "
		 "iso9660, squashfs" },
	{ .name = "device without a type",
	  .device = "/dev/sda1",
	  .msg = "option type: missing, o= and device= only say how to mount "
		 "what" },
};

static void put(char *to, size_t size, const char *sep, const char *text)
{
	size_t len = strlen(to);

	snprintf(to + len, size - len, "%s%s", len ? sep : "", text);
}

static void dump_attrs(const struct mntopt *m, char *to, size_t size)
{
	static const struct {
		uint64_t attr;
		const char *name;
	} names[] = {
		{ MOUNT_ATTR_RDONLY, "ro" },
		{ MOUNT_ATTR_NOSUID, "nosuid" },
		{ MOUNT_ATTR_NODEV, "nodev" },
		{ MOUNT_ATTR_NOEXEC, "noexec" },
		{ MOUNT_ATTR_NOATIME, "noatime" },
		{ MOUNT_ATTR_STRICTATIME, "strictatime" },
		{ MOUNT_ATTR_NODIRATIME, "nodiratime" },
		{ MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow" },
	};
	char attrs[128] = "";
	uint64_t rest = m->attr;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (m->attr & names[i].attr) {
			put(attrs, sizeof(attrs), ",", names[i].name);
			rest &= ~names[i].attr;
		}
	assert_int_equal(rest, 0);
	if (attrs[0])
		put(to, size, " ", attrs);
	if (m->attr_clr == MOUNT_ATTR__ATIME)
		put(to, size, " ", "clear=atime");
	else
		assert_int_equal(m->attr_clr, 0);
	put(to, size, " ",
	    m->propagation == MS_PRIVATE  ? "private"
	    : m->propagation == MS_SLAVE  ? "slave"
	    : m->propagation == MS_SHARED ? "shared"
					  : "?");
}

/* Everything that would reach the kernel, in its order. */
static void dump(const struct mntopt *m, char *to, size_t size)
{
	char text[600];

	to[0] = '\0';
	put(to, size, "", m->fs ? m->fs : m->recursive ? "rbind" : "bind");
	if (m->kind == MNTOPT_BIND || m->kind == MNTOPT_BLOCK)
		put(to, size, " ", m->device);
	dump_attrs(m, to, size);
	if (m->host) {
		snprintf(text, sizeof(text), "host=%s", m->host);
		put(to, size, " ", text);
	}
	if (m->family)
		put(to, size, " ",
		    m->family == AF_INET6 ? "family=6" : "family=4");
	if (m->credentials) {
		snprintf(text, sizeof(text), "credentials=%s", m->credentials);
		put(to, size, " ", text);
	}
	for (size_t i = 0; i < m->count; i++) {
		snprintf(text, sizeof(text), "%s%s%s", m->params[i].key,
			 m->params[i].value ? "=" : "",
			 m->params[i].value ? m->params[i].value : "");
		put(to, size, " ", text);
	}
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static void parse_row(void **state)
{
	const struct row *row = *state;
	const struct mntopt_given given = {
		.type = or_empty(row->type),
		.o = or_empty(row->o),
		.device = or_empty(row->device),
		.size = row->size,
	};
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;
	struct err err = { 0 };
	char got[2048];
	int r = mntopt_parse(&given, &m, &err);

	if (r == 0 && row->addr) {
		assert_int_equal(m->kind, MNTOPT_NET);
		r = mntopt_resolved(m, row->addr, &err);
	}
	assert_string_equal(err.msg, or_empty(row->msg));
	assert_int_equal(r, row->want ? 0 : -EINVAL);
	assert_null(strstr(err.msg, "hunter2"));
	if (!row->want)
		return;
	dump(m, got, sizeof(got));
	assert_string_equal(got, row->want);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = parse_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
