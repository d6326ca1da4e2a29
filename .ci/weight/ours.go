//go:build ignore

// Command ours is what a program weighs that restarts an instance.
package main

import (
	"context"
	"fmt"

	"github.com/ecsreboot/ecsreboot"
)

func main() {
	client, err := ecsreboot.NewClient("cn-hangzhou")
	if err != nil {
		panic(err)
	}
	resp, err := client.RebootInstance(context.Background(), ecsreboot.RebootInstanceRequest{InstanceID: "i-bp67acfmxazb4ph0001"})
	fmt.Println(resp, err)
}
