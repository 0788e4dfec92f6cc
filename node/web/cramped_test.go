package web_test

// cramped finds what does not fit where it stands: a choice that runs under the arrow of its list, a line of text that goes beyond its
// box, a note that is narrower than its place, tools in more rows than two where there is room or beyond their bar, words that are not in
// the middle of their button, a state in two lines, an account under the menu, headings of numbers that do not stand over them, and a menu that is
// out of line.
const cramped = `(() => {
	const out = [], pen = document.createElement('canvas').getContext('2d')
	const seen = e => e.getClientRects().length > 0
	for (const s of [...document.querySelectorAll('select')].filter(seen)) {
		const style = getComputedStyle(s), text = s.selectedOptions[0]?.textContent ?? ''
		pen.font = style.font
		if (innerWidth >= 820 && pen.measureText(text).width > s.clientWidth - parseFloat(style.paddingLeft) - 20) out.push('list ' + s.id + ' cuts ' + text)
	}
	for (const t of [...document.querySelectorAll('textarea')].filter(seen)) if (t.scrollWidth > t.clientWidth) out.push('text ' + t.id + ' is cut at the right')
	for (const n of [...document.querySelectorAll('main .rw-note')].filter(seen)) {
		const room = n.parentElement.clientWidth - parseFloat(getComputedStyle(n.parentElement).paddingLeft) - parseFloat(getComputedStyle(n.parentElement).paddingRight)
		if (n.offsetWidth < room - 4) out.push('note of ' + n.offsetWidth + ' in ' + room + ': ' + n.textContent.trim().slice(0, 40))
	}
	if (innerWidth >= 820) for (const bar of [...document.querySelectorAll('.rw-bar:not(.rw-window)')].filter(seen)) {
		const rows = new Set([...bar.querySelectorAll('.rw-tool')].filter(e => seen(e) && e.offsetHeight > 20).map(e => Math.round(e.getBoundingClientRect().top / 12)))
		if (rows.size > 2) out.push(rows.size + ' rows of tools')
	}
	for (const bar of [...document.querySelectorAll('.rw-bar')].filter(seen)) for (const tool of [...bar.querySelectorAll('.rw-tool')].filter(seen)) if (tool.getBoundingClientRect().right > bar.getBoundingClientRect().right) out.push('the tool ' + tool.textContent + ' sticks out of its bar')
	for (const b of [...document.querySelectorAll('.nhsuk-button:not(.rw-again, :has(.nhsuk-u-visually-hidden))')].filter(seen)) {
		const text = document.createRange(), box = b.getBoundingClientRect()
		text.selectNodeContents(b)
		if (Math.abs(text.getBoundingClientRect().left - box.left - box.right + text.getBoundingClientRect().right) > 4) out.push('the button ' + b.textContent.trim() + ' does not have its words in the middle')
	}
	for (const t of [...document.querySelectorAll('main .nhsuk-tag')].filter(seen)) if (t.getClientRects().length > 1 || t.offsetHeight > 1.9 * parseFloat(getComputedStyle(t).fontSize)) out.push('the tag ' + t.textContent + ' is in two lines')
	const account = document.querySelector('.nhsuk-header__account'), areas = document.querySelector('.nhsuk-header__navigation')
	if (account && areas && seen(areas) && account.getBoundingClientRect().bottom > areas.getBoundingClientRect().top) out.push('the account lies under the menu')
	const menu = document.querySelector('.nhsuk-header__navigation-link'), name = document.querySelector('.nhsuk-header__service-name')
	if (menu && innerWidth >= 820 && Math.abs(menu.getBoundingClientRect().left - name.getBoundingClientRect().left) > 4) out.push('the menu is out of line')
	const mine = document.querySelector('.rw-mynav a')
	if (mine && Math.abs(mine.getBoundingClientRect().left - name.getBoundingClientRect().left) > 4) out.push('the menu is out of line')
	if (mine && mine.closest('nav').getBoundingClientRect().bottom - mine.closest('ul').lastElementChild.getBoundingClientRect().bottom > 8) out.push('the menu has empty room below')
	for (const h of [...document.querySelectorAll('th.rw-right')].filter(e => seen(e) && e.offsetWidth > 1)) if (getComputedStyle(h).textAlign !== 'right') out.push('heading ' + h.textContent + ' stands beside its numbers')
	return out
})()`
