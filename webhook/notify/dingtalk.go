package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "dingtalk",
		Summary: "Posts to a DingTalk group through a custom robot, signed.",
		Source:  "https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages (signature, message types, 20 messages a minute)",
		New:     func() Channel { return &DingTalk{Common: common(), Format: "markdown"} },
	})
}

// DingTalk posts messages to one DingTalk group.
type DingTalk struct {
	Common
	RobotAddress
	Secret     Secret `json:"secret" yaml:"secret" help:"key of the signature (SEC…), when the robot asks for signatures"`
	SecretFile string `json:"secret_file" yaml:"secret_file" help:"path of a file that holds secret"`
	Format     string `json:"format" yaml:"format" help:"markdown, or a card with buttons" enum:"markdown,card"`
	Keyword    string `json:"keyword" yaml:"keyword" help:"word that the robot asks for in every message, when it is set up so"`
}

// maxDingTalk bounds a message in bytes. DingTalk takes 20,000; the JSON around the text needs some, and every line end in it becomes two.
const maxDingTalk = 16000

// Validate asks for the address.
func (d *DingTalk) Validate() error { return d.given() }

// Open reads the secrets.
func (d *DingTalk) Open(env Env) error {
	if err := d.open(env, wide, wide); err != nil {
		return err
	}
	if err := d.read("DingTalk", "access_token"); err != nil {
		return err
	}
	var err error
	d.Secret, err = resolve("secret", d.Secret, d.SecretFile)
	return err
}

// Quota is the documented one: 20 messages a minute, and whoever sends more is not heard for ten.
func (d *DingTalk) Quota() policy.Quota { return d.quota(policy.Rate{N: 20, Per: time.Minute}) }

// Destination names the robot.
func (d *DingTalk) Destination() string { return destination("dingtalk", d.WebhookURL) }

// Send posts the message.
func (d *DingTalk) Send(ctx context.Context, m cases.Message) Outcome {
	return d.postRobot(ctx, Request{URL: d.signed(d.env.Now()), Hide: []Secret{d.WebhookURL, d.Secret}}, d.body(m, d.letter(m)), errcode, dingTalkCode)
}

type dingTalkBody struct {
	MsgType    string            `json:"msgtype"`
	Markdown   *dingTalkMarkdown `json:"markdown,omitempty"`
	ActionCard *dingTalkCard     `json:"actionCard,omitempty"`
}

type dingTalkMarkdown struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

type dingTalkCard struct {
	Title          string           `json:"title"`
	Text           string           `json:"text"`
	BtnOrientation string           `json:"btnOrientation"` // "1": beside each other
	Btns           []dingTalkButton `json:"btns,omitempty"`
}

type dingTalkButton struct {
	Title     string `json:"title"`
	ActionURL string `json:"actionURL"`
}

func (d *DingTalk) body(m cases.Message, l letter) dingTalkBody {
	md := markdown{sink: sink{limit: maxDingTalk, size: jsonSize, esc: wide}, br: "  \n", quote: "> ", acts: d.Format != "card"}
	title, text := md.page(&d.Common, m, l)
	if d.Keyword != "" {
		text += "\n\n" + d.Keyword
	}
	if d.Format != "card" || len(l.Links) == 0 {
		return dingTalkBody{MsgType: "markdown", Markdown: &dingTalkMarkdown{title, text}}
	}
	card := &dingTalkCard{Title: title, Text: text, BtnOrientation: "1"}
	for _, to := range append(append([]link{}, l.Links[0]), l.Acts...) {
		card.Btns = append(card.Btns, dingTalkButton{wide(to.Text), to.URL})
	}
	return dingTalkBody{MsgType: "actionCard", ActionCard: card}
}

// signed is the address with time and signature: base64 of HMAC-SHA256 of "<milliseconds>\n<secret>" under the secret.
func (d *DingTalk) signed(now time.Time) Secret {
	if d.Secret == "" {
		return d.WebhookURL
	}
	u, err := url.Parse(d.WebhookURL.Reveal())
	if err != nil {
		return d.WebhookURL // Open has checked it
	}
	stamp := strconv.FormatInt(now.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(d.Secret.Reveal()))
	fmt.Fprintf(mac, "%s\n%s", stamp, d.Secret.Reveal())
	q := u.Query()
	q.Set("timestamp", stamp)
	q.Set("sign", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	u.RawQuery = q.Encode()
	return Secret(u.String())
}

// dingTalkBlocked is how long a robot that sent too fast is not heard.
const dingTalkBlocked = 10 * time.Minute

// dingTalkCode says what an error code means; those not listed never will go away by themselves: no such robot, wrong signature or
// keyword, refused content.
func dingTalkCode(code int) verdict {
	switch code {
	case 130101, 302033, 410100, 90018, 90030: // too fast
		return verdict{StatusRetry, dingTalkBlocked}
	case -1, 500, 503: // busy
		return verdict{StatusRetry, 0}
	}
	return verdict{StatusPermanent, 0}
}
