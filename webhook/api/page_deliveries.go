package api

import (
	"net/http"

	"github.com/foreshock/foreshock/webhook/cases"
)

type deliveriesView struct {
	Deliveries []cases.DeliveryInfo
	Next       string
}

func (h *Handler) pageDeliveries(w http.ResponseWriter, r *http.Request) {
	all, err := h.o.Store.Deliveries(r.Context(), r.URL.Query().Get("before"), defaultLimit)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view := deliveriesView{Deliveries: all}
	if len(all) == defaultLimit {
		view.Next = all[len(all)-1].ID
	}
	h.draw(w, r, "deliveries", page{Body: view})
}
