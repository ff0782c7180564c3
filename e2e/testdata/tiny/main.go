// Command tiny is the only program in the image that most scenarios run: a
// server, a probe and a one-shot, whose behaviour is its arguments.
//
//	tiny serve [flags]           an HTTP server (below)
//	tiny probe URL [STATUS]      exit 0 when URL answers with STATUS (200) within 2 s
//	tiny exit CODE               exit with CODE
//	tiny sleep DURATION          exit 0 after DURATION, 143 on SIGTERM
//	tiny say TEXT…               print TEXT
//	tiny append FILE TEXT        add a line to FILE
//	tiny cat FILE…               print FILE
//	tiny test FILE               exit 0 when FILE exists
//	tiny forward LISTEN TO       pass connections on to TO, looked up for each of them
//
// The server answers / (-status), /health (503 until -healthy-after), /env,
// /args, /file?path=P, and on POST: /health?ok=false, /exit?code=N. On SIGHUP it
// says that it reads its files again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fatal(64, "no verb")
	}
	verb, args := os.Args[1], os.Args[2:]
	switch {
	case verb == "serve":
		serve(args)
	case verb == "probe" && len(args) > 0:
		probe(args)
	case verb == "exit" && len(args) == 1:
		code, err := strconv.Atoi(args[0])
		check(err)
		fmt.Println("exit", code)
		os.Exit(code)
	case verb == "sleep" && len(args) == 1:
		d, err := time.ParseDuration(args[0])
		check(err)
		select {
		case <-time.After(d):
		case <-terminated():
			os.Exit(143)
		}
	case verb == "forward" && len(args) == 2:
		forward(args[0], args[1])
	case verb == "say":
		fmt.Println(strings.Join(args, " "))
	case verb == "append" && len(args) == 2:
		f, err := os.OpenFile(args[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		check(err)
		_, err = fmt.Fprintln(f, args[1])
		check(errors.Join(err, f.Close()))
	case verb == "cat":
		for _, path := range args {
			data, err := os.ReadFile(path)
			check(err)
			_, err = os.Stdout.Write(data)
			check(err)
		}
	case verb == "test" && len(args) == 1:
		if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) {
			fatal(1, args[0]+" is not there")
		}
	default:
		fatal(64, "unknown verb, or wrong arguments: "+strings.Join(os.Args[1:], " "))
	}
}

func serve(args []string) {
	f := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := f.String("listen", ":8080", "address")
	after := f.Duration("after", 0, "listen after this long")
	healthyAfter := f.Duration("healthy-after", 0, "/health fails until this long after the start")
	status := f.Int("status", 200, "status of /")
	body := f.String("body", "tiny\n", "answer of /")
	line := f.String("log", "", "print this")
	logAfter := f.Duration("log-after", 0, "after this long")
	exitAfter := f.Duration("exit-after", 0, "exit after this long, 0 for never")
	exitCode := f.Int("exit-code", 1, "with this code")
	stopAfter := f.Duration("stop-after", 0, "take this long to stop on SIGTERM")
	failFirst := f.String("fail-first", "", "exit with 1 when this file is not there, and make it")
	eat := f.Int("eat", 0, "use this many MB of memory")
	check(f.Parse(args))

	began := time.Now()
	var forced atomic.Pointer[bool]
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(*status)
		fmt.Fprint(w, *body)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		ok := time.Since(began) >= *healthyAfter
		if v := forced.Load(); v != nil {
			ok = *v
		}
		if !ok {
			http.Error(w, "tiny is not well yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "well")
	})
	mux.HandleFunc("POST /health", func(_ http.ResponseWriter, r *http.Request) {
		ok := r.FormValue("ok") != "false"
		forced.Store(&ok)
	})
	mux.HandleFunc("POST /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(os.Environ())
	})
	mux.HandleFunc("GET /args", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(os.Args)
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, r.FormValue("path"))
	})

	fmt.Println("tiny starts")
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			fmt.Println("tiny reads its files again")
		}
	}()
	if *failFirst != "" {
		if _, err := os.Stat(*failFirst); errors.Is(err, fs.ErrNotExist) {
			check(os.WriteFile(*failFirst, nil, 0o644))
			fatal(1, "the first start fails")
		}
	}
	if *line != "" {
		time.AfterFunc(*logAfter, func() { fmt.Println(*line) })
	}
	if *exitAfter > 0 {
		time.AfterFunc(*exitAfter, func() {
			fmt.Fprintln(os.Stderr, "tiny gives up")
			os.Exit(*exitCode)
		})
	}
	if *eat > 0 {
		memory := make([]byte, *eat<<20)
		for i := 0; i < len(memory); i += 4096 {
			memory[i] = 1
		}
	}
	stop := terminated()
	select {
	case <-time.After(*after):
	case <-stop:
		os.Exit(0)
	}
	l, err := net.Listen("tcp", *listen)
	check(err)
	fmt.Println("tiny listens on", *listen)
	server := &http.Server{Handler: mux}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			check(err)
		}
	}()
	<-stop
	time.Sleep(*stopAfter)
	// What has begun is answered.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	fmt.Println("tiny stops")
}

// forward is a front that has no idea of what stands behind it: a name that
// stands for several addresses is tried at one after the other.
func forward(listen, to string) {
	l, err := net.Listen("tcp", listen)
	check(err)
	fmt.Println("tiny listens on", listen)
	go func() {
		for {
			in, err := l.Accept()
			check(err)
			go func() {
				defer in.Close()
				out, err := net.DialTimeout("tcp", to, 5*time.Second)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				defer out.Close()
				go func() {
					_, _ = io.Copy(out, in)
					_ = out.(*net.TCPConn).CloseWrite()
				}()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	<-terminated()
}

func probe(args []string) {
	want := 200
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		check(err)
		want = n
	}
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get(args[0])
	check(err)
	if res.StatusCode != want {
		fatal(1, fmt.Sprintf("%s answered %s", args[0], res.Status))
	}
	fmt.Println(res.Status)
}

func terminated() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	return c
}

func check(err error) {
	if err != nil {
		fatal(1, err.Error())
	}
}

func fatal(code int, text string) {
	fmt.Fprintln(os.Stderr, "tiny: "+text)
	os.Exit(code)
}
