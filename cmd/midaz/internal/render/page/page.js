(() => {
  'use strict'
  const all = (what, within = document) => [...within.querySelectorAll(what)]
  const one = (what, within = document) => within.querySelector(what)
  document.documentElement.classList.add('js')
  const entries = all('.entry')
  const nodes = all('svg a[data-entries]')
  const form = one('.tools form')

  // What is searched of an entry: all of its text.
  const texts = new Map(entries.map(e => [e, e.textContent.toLowerCase()]))
  const shown = e => !e.hidden

  function filter() {
    if (!form) return
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean)
    const off = new Set(all('input[type=checkbox]', form).filter(b => !b.checked).map(b => b.value))
    const kind = form.elements.kind.value
    let n = 0
    const match = new Set()
    for (const e of entries) {
      const fits = !off.has(e.dataset.action) && (!kind || e.dataset.kind === kind) && words.every(w => texts.get(e).includes(w))
      e.hidden = !fits
      if (fits) { n++; match.add(e.id) }
    }
    for (const a of nodes) a.classList.toggle('dim', n < entries.length && !a.dataset.entries.split(' ').some(id => match.has(id)))
    one('output', form).textContent = n === entries.length ? `${n} shown` : `${n} of ${entries.length} shown`
  }

  // What a link leads to is shown, unfolded and has the focus.
  function go() {
    const e = document.getElementById(decodeURIComponent(location.hash.slice(1)))
    if (!e || !e.classList.contains('entry')) return
    if (e.hidden) { form.reset(); filter() }
    e.open = true
    one('summary', e).focus({ preventScroll: true })
    e.scrollIntoView({ block: 'start' })
  }

  function unfold(open) { for (const e of entries) if (shown(e)) e.open = open }

  if (form) {
    form.addEventListener('input', filter)
    form.addEventListener('submit', e => e.preventDefault())
    form.addEventListener('reset', () => setTimeout(filter))
    one('[data-do=unfold]', form).addEventListener('click', () => unfold(true))
    one('[data-do=fold]', form).addEventListener('click', () => unfold(false))
    filter()
  }
  addEventListener('hashchange', go)
  // The same link once more changes no hash.
  document.addEventListener('click', e => { if (e.target.closest('a[href^="#"]')) setTimeout(go) })
  if (location.hash) go()

  // On paper everything is unfolded, and folded again after.
  let folded = []
  addEventListener('beforeprint', () => { folded = entries.filter(e => !e.open); for (const e of folded) e.open = true })
  addEventListener('afterprint', () => { for (const e of folded) e.open = false; folded = [] })

  // The drawing is one stop of the tab key; arrows move within it.
  nodes.forEach((a, i) => a.setAttribute('tabindex', i ? -1 : 0))
  function visit(a) {
    if (!a) return
    for (const b of nodes) b.setAttribute('tabindex', b === a ? 0 : -1)
    a.focus()
    a.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }
  // A drawing larger than its frame begins with what it is about.
  const begin = one('svg a.path, svg a.delete') || nodes[0]
  if (begin) {
    const frame = begin.closest('.drawing'), box = begin.getBBox()
    frame.scrollTop = box.y + box.height / 2 - frame.clientHeight / 2
  }
  // Boxes of a layer differ in width and begin in one line.
  const place = a => { const r = a.getBoundingClientRect(); return [r.left, r.top + r.height / 2] }
  // The nearest node in a direction; those straight ahead come first.
  function next(from, dx, dy) {
    const [x, y] = place(from)
    let best = null, least = Infinity
    for (const a of nodes) {
      const [u, v] = place(a)
      const ahead = (u - x) * dx + (v - y) * dy
      const aside = Math.abs((u - x) * dy) + Math.abs((v - y) * dx)
      if (a !== from && ahead > 2 && ahead + 3 * aside < least) { best = a; least = ahead + 3 * aside }
    }
    return best
  }
  const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }

  let entered = null
  addEventListener('keyup', e => {
    if (e.key === 'Enter' && entered) entered.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))
    entered = null
  })
  addEventListener('keydown', e => {
    if (e.ctrlKey || e.altKey || e.metaKey) return
    const at = document.activeElement
    const node = at && at.closest('svg a[data-entries]')
    const summary = at && at.closest('.entry > summary')
    if (node && arrows[e.key]) {
      const [dx, dy] = arrows[e.key]
      visit(next(node, dx, dy))
    } else if (node && e.key === 'Enter') {
      // Followed when the key is let go: what has the focus then must not take
      // the same key for its own.
      entered = node
    } else if (node && (e.key === 'Home' || e.key === 'End')) {
      visit(e.key === 'Home' ? nodes[0] : nodes[nodes.length - 1])
    } else if (summary && ['ArrowDown', 'ArrowUp', 'Home', 'End'].includes(e.key)) {
      const list = entries.filter(shown)
      const i = list.indexOf(summary.parentElement)
      const to = { ArrowDown: list[i + 1], ArrowUp: list[i - 1], Home: list[0], End: list[list.length - 1] }[e.key]
      if (to) one('summary', to).focus()
    } else if (summary && (e.key === 'ArrowRight' || e.key === 'ArrowLeft')) {
      summary.parentElement.open = e.key === 'ArrowRight'
    } else if (form && e.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(at && at.tagName)) {
      form.elements.search.focus()
    } else if (form && e.key === 'Escape' && at === form.elements.search) {
      form.reset()
    } else {
      return
    }
    e.preventDefault()
  })
})()
