#!/bin/sh
# Creates the topics listed in /etc/midaz/topics.txt that are not there. Safe to run again.
set -eu
RPK_PASS=$(cat /run/secrets/redpanda-password)
export RPK_PASS

newline='
'
known=$newline$(rpk topic list)
made=0 kept=0
while read -r topic; do
	case $known in
	*"$newline$topic "*) kept=$((kept + 1)) ;;
	*)
		rpk topic create "$topic" --partitions 1 --replicas 1 </dev/null
		made=$((made + 1))
		;;
	esac
done </etc/midaz/topics.txt
echo "topics: $made created, $kept already there"
