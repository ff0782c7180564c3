package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report"
)

// browser starts Chromium, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no chromium: apt-get install chromium")
	}
	// Root has no sandbox to run it in, and it loads nothing but our file.
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.UserDataDir(t.TempDir()))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	var mu sync.Mutex
	var said []string
	err := chromedp.Listen(ctx, func(e any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			said = append(said, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			said = append(said, string(e.Type))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if len(said) > 0 {
			t.Errorf("the console says %q", said)
		}
	})
	return ctx
}

// opened is a page open in a browser.
type opened struct {
	*testing.T
	ctx context.Context
}

func open(t *testing.T, ctx context.Context, name, page string) opened {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	o := opened{t, ctx}
	o.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+file))
	return o
}

func (o opened) do(actions ...chromedp.Action[chromedp.Void]) {
	o.Helper()
	if err := chromedp.Do(o.ctx, actions...); err != nil {
		o.Fatal(err)
	}
}

// eval returns what an expression comes to in the page; a promise is awaited.
func eval[T any](o opened, expression string) T {
	o.Helper()
	got, err := chromedp.Run(o.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		o.Fatalf("%s: %v", expression, err)
	}
	return got
}

// script runs a statement for what it does.
func (o opened) script(statement string) {
	o.Helper()
	eval[bool](o, statement+"; true")
}

// until waits for a condition, which the page looks at before each picture.
func (o opened) until(condition string) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, time.Minute)
	defer cancel()
	o.ctx = ctx
	eval[bool](o, `new Promise(done => { const look = () => (`+condition+`) ? done(true) : requestAnimationFrame(look); look() })`)
}

// media emulates a medium, and a preference where value is not "".
func (o opened) media(medium, feature, value string) {
	o.Helper()
	params := emulation.SetEmulatedMediaParams{Media: medium}
	if feature != "" {
		params.Features = []*emulation.MediaFeature{{Name: feature, Value: value}}
	}
	if _, err := chromedp.Call(o.ctx, emulation.SetEmulatedMedia, params); err != nil {
		o.Fatal(err)
	}
}

// is checks what an expression comes to in the page.
func (o opened) is(expression string, want any) {
	o.Helper()
	got := eval[any](o, expression)
	if n, ok := want.(int); ok {
		want = float64(n)
	}
	if got != want {
		o.Errorf("%s is %v, want %v", expression, got, want)
	}
}

func (o opened) number(expression string) int {
	o.Helper()
	return int(eval[float64](o, expression))
}

func (o opened) press(keys ...string) {
	o.Helper()
	for _, k := range keys {
		o.do(chromedp.KeyEvent(k))
	}
}

// Picture writes a screenshot where MIDAZ_SCREENSHOTS says, for a person to look
// at.
func (o opened) Picture(name string, full bool) {
	dir := os.Getenv("MIDAZ_SCREENSHOTS")
	if dir == "" {
		return
	}
	o.Helper()
	take := chromedp.CaptureScreenshot()
	if full {
		take = chromedp.FullScreenshot(100)
	}
	png, err := chromedp.Run(o.ctx, take)
	if err != nil {
		o.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		o.Fatal(err)
	}
}

const (
	entriesShown = `[...document.querySelectorAll('.entry')].filter(e => e.checkVisibility()).length`
	focused      = `document.activeElement.closest('svg') ? document.activeElement.dataset.entries : document.activeElement.tagName + ':' + (document.activeElement.parentElement.id || '')`
)

// TestPagesInBrowser opens the pages in Chromium: what is drawn, search and
// filters, the keyboard, dark mode, paper, a narrow screen, and no script at all.
func TestPagesInBrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	pages := samplePages(t)
	plan := samplePlan(t)
	t.Run("plan", func(t *testing.T) {
		planInBrowser(open(t, ctx, "plan", pages["plan"]), len(report.StepPicture(plan).Nodes))
	})
	t.Run("run", func(t *testing.T) { runInBrowser(open(t, ctx, "run", pages["run"])) })
	t.Run("graph", func(t *testing.T) {
		o := open(t, ctx, "graph", pages["graph"])
		o.is(entriesShown, len(report.SpecPicture(plan.Declared(), nil).Nodes))
		o.Picture("graph", false)
	})
	t.Run("danger", func(t *testing.T) {
		o := open(t, ctx, "large", render.PlanHTML(large(t), nil))
		o.is(`[...document.querySelectorAll('.alert a')].filter(a => a.textContent == 'box/zz-goes' && a.getBoundingClientRect().bottom < innerHeight).length`, 1)
		o.Picture("large", false)
	})
	t.Run("no script", func(t *testing.T) {
		scripts := func(off bool) {
			if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: off}); err != nil {
				t.Fatal(err)
			}
		}
		scripts(true)
		defer scripts(false)
		o := open(t, ctx, "plan", pages["plan"])
		o.is(`document.documentElement.className`, "")
		o.is(`getComputedStyle(document.querySelector('.tools')).display`, "none")
		o.is(entriesShown, len(report.StepPicture(plan).Nodes))
		// Also folded ones open by themselves.
		o.is(`(e => { e.open = true; return e.querySelector('.body').getBoundingClientRect().height > 0 })(document.querySelector('.entry:not([open])'))`, true)
	})
}

func planInBrowser(o opened, nodes int) {
	o.is(`document.title`, "midaz plan: midaz")
	o.is(`new Set([...document.querySelectorAll('svg a.node')].flatMap(a => a.dataset.entries.split(' '))).size`, nodes)
	o.is(`document.querySelectorAll('svg a.node.delete').length`, 2)
	for _, class := range []string{"create", "update", "replace", "delete"} {
		if o.number(`document.querySelectorAll('svg a.node.`+class+`').length`) == 0 ||
			o.number(`document.querySelectorAll('.entry.`+class+`').length`) == 0 {
			o.Errorf("nothing is drawn as %s", class)
		}
	}
	if o.number(`document.querySelectorAll('svg a.path').length`) < 3 ||
		o.number(`document.querySelectorAll('svg path.edge.path').length`) < 2 {
		o.Error("there is no critical path")
	}
	o.is(`[...document.querySelectorAll('.alert a')].slice(0, 2).every(a => a.getBoundingClientRect().bottom < innerHeight)`, true)
	o.Picture("plan-light", false)
	o.Picture("plan-full", true)

	// Search and filters.
	all := o.number(entriesShown)
	o.press("/")
	o.is(`document.activeElement.name`, "search")
	o.do(chromedp.SendKeys(`input[name=search]`, "legacy.orders"))
	o.is(entriesShown, 1)
	o.is(`document.querySelector('output').textContent.startsWith('1 of ')`, true)
	o.is(`document.querySelectorAll('svg a.node:not(.dim)').length`, 1)
	o.Picture("plan-search", false)
	o.press(kb.Escape)
	o.until(fmt.Sprintf("%s == %d", entriesShown, all))
	o.do(chromedp.Click(`input[value=create]`))
	o.is(`[...document.querySelectorAll('.entry.create')].some(e => e.checkVisibility())`, false)
	o.do(chromedp.Click(`input[value=create]`), chromedp.SetValue(`select[name=kind]`, "queue"))
	o.script(`document.querySelector('select').dispatchEvent(new Event('input', {bubbles: true}))`)
	o.is(`[...document.querySelectorAll('.entry')].filter(e => e.checkVisibility()).every(e => e.dataset.kind == 'queue')`, true)
	o.script(`document.querySelector('form').reset()`)
	o.until(entriesShown + ` == document.querySelectorAll('.entry').length`)

	// The keyboard: from the head of the page to the drawing, within it, into
	// the list, and within that.
	o.do(chromedp.Reload())
	o.press(kb.Tab)
	o.is(`document.activeElement.className`, "skip")
	o.is(`document.querySelectorAll('svg a[tabindex="0"]').length`, 1)
	o.do(chromedp.Focus(`svg a[aria-label^="service/postgres-primary"]`))
	before := o.number(`document.activeElement.querySelector('rect').x.baseVal.value`)
	o.press(kb.ArrowRight)
	if o.number(`document.activeElement.querySelector('rect').x.baseVal.value`) <= before {
		o.Errorf("the arrow does not lead to the right of %d, but to %s", before, eval[string](o, `document.activeElement.outerHTML`))
	}
	o.is(`document.querySelectorAll('svg a[tabindex="0"]').length`, 1)
	o.is(`getComputedStyle(document.activeElement.querySelector('rect')).strokeWidth`, "4px")
	entry := eval[string](o, `document.activeElement.dataset.entries.split(' ')[0]`)
	o.press(kb.Enter)
	o.until("(" + focused + ") == 'SUMMARY:" + entry + "'")
	o.is(`document.getElementById('`+entry+`').open`, true)
	o.press(kb.Home)
	o.is(focused, "SUMMARY:r1")
	o.press(kb.ArrowDown)
	o.is(focused, "SUMMARY:r2")
	o.press(kb.ArrowLeft)
	o.is(`document.getElementById('r2').open`, false)
	o.press(kb.Enter)
	o.is(`document.getElementById('r2').open`, true)
	o.is(`[...document.querySelectorAll('a, button, input, select, summary')].every(e => (e.getAttribute('aria-label') || e.textContent || e.closest('label')?.textContent || '').trim() != '')`, true)

	inDarkAndNarrow(o, "plan")
	onPaper(o, "plan")
	o.is(`document.title`, "midaz plan: midaz") // no text became a script
}

func runInBrowser(o opened) {
	if o.number(`document.querySelectorAll('svg rect.step').length`) < 20 ||
		o.number(`document.querySelectorAll('svg rect.step.await').length`) < 3 {
		o.Error("steps are missing in the chart")
	}
	o.is(`document.querySelectorAll('svg rect.step.failed').length`, 1)
	if o.number(`document.querySelectorAll('svg rect.step.path').length`) < 3 {
		o.Error("there is no critical path")
	}
	o.is(`document.querySelector('.alert li a').textContent`, "service/mongodb")
	o.is(`document.querySelector('.alert li a').getBoundingClientRect().bottom < innerHeight`, true)
	o.Picture("run-light", false)
	o.Picture("run-full", true)
	o.do(chromedp.Click(`.alert li a`))
	o.until(`document.activeElement.tagName == 'SUMMARY' && document.activeElement.parentElement.open`)
	inDarkAndNarrow(o, "run")
	onPaper(o, "run")
}

// inDarkAndNarrow: dark where that is preferred, and nothing wider than a
// telephone but what scrolls by itself.
func inDarkAndNarrow(o opened, name string) {
	o.Helper()
	light := `getComputedStyle(document.body).backgroundColor`
	o.is(light, "rgb(246, 248, 250)")
	o.media("", "prefers-color-scheme", "dark")
	o.script(`scrollTo(0, 0)`)
	o.is(light, "rgb(13, 17, 23)")
	o.Picture(name+"-dark", false)
	o.do(chromedp.EmulateViewport(390, 844))
	o.is(`document.documentElement.scrollWidth <= innerWidth`, true)
	o.Picture(name+"-narrow", false)
	o.media("", "", "")
	o.do(chromedp.EmulateViewport(1280, 900))
}

// onPaper: everything is unfolded and nothing is there that only a screen can
// use.
func onPaper(o opened, name string) {
	o.Helper()
	o.script(`document.querySelectorAll('.entry').forEach(e => e.open = false)`)
	o.media("print", "", "")
	o.is(`[...document.querySelectorAll('.entry .body')].every(b => b.getBoundingClientRect().height > 0)`, true)
	o.is(`getComputedStyle(document.querySelector('.tools')).display`, "none")
	o.media("", "", "")
	pdf, err := chromedp.Run(o.ctx, chromedp.PrintToPDF())
	if err != nil {
		o.Fatal(err)
	}
	if !bytes.HasPrefix(pdf, []byte("%PDF")) {
		o.Error("it cannot be printed")
	}
	if dir := os.Getenv("MIDAZ_SCREENSHOTS"); dir != "" {
		_ = os.WriteFile(filepath.Join(dir, name+".pdf"), pdf, 0o644)
	}
}
