set -e
mount -t tmpfs -o mode=755 box /dev/shm; cd /dev/shm
mkdir proc dev tmp old; mount -t proc proc proc; mount -t tmpfs -o mode=1777,size={disk} box tmp
for name in null zero full random urandom; do touch dev/$name; mount --bind /dev/$name dev/$name
done
show() {{ if [ -d "$1" ]; then mkdir -p ".$1"; else mkdir -p ".${{1%/*}}"; touch ".$1"; fi
  mount --bind "$1" ".$1"; mount -o remount,bind,ro,nosuid,nodev ".$1"; }}
{shown}
pivot_root . old; cd /; umount -l old; rmdir old; mount -o remount,bind,ro /
exec "$@"
