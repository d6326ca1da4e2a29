//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

func holder(string) (who string, known bool) { return "", false }
